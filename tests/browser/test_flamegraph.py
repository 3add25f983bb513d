"""The flame graph as somebody uses it, in a real browser, against sums made apart from memray."""
from collections import defaultdict

import pytest

ROOT = ("<root>", "", 0)
SHARE = 1e-4  # below which siblings are merged


class Page:
    """One report in the browser. Nodes are named by number, as in the address bar."""

    def __init__(self, browser, path):
        self.browser = browser
        browser.get("about:blank")
        browser.get_log("browser")
        browser.get(path.as_uri())
        self.run("try { localStorage.clear() } catch {}")
        self.report = self.run("return memrayFlamegraph.report")
        self.tree = self.report["tree"]

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def settle(self):
        """Two frames later, whatever was asked for is painted."""
        self.browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")

    def find(self, css):
        return self.browser.find_element("css selector", css)

    def text(self, css):
        return self.find(css).text

    def frame(self, node, tree=None):
        number = (tree or self.tree)["frame"][node]
        frames, strings = self.report["frames"], self.report["strings"]
        return strings[frames["function"][number]], strings[frames["file"][number]], frames["line"][number]

    def node(self, function):
        """The first node of that function."""
        return next(i for i in range(len(self.tree["frame"])) if self.frame(i)[0] == function)

    def box(self, node):
        return self.run("return memrayFlamegraph.box(arguments[0])", node)

    def zoomed(self):
        return self.run("return memrayFlamegraph.zoomed()")

    def shown(self):
        return self.run("return memrayFlamegraph.nodes()")

    def _to(self, node):
        from selenium.webdriver import ActionChains

        box = self.box(node)
        canvas = self.run("const r = document.getElementById('flames').getBoundingClientRect(); return [r.x, r.y]")
        x, y = canvas[0] + box["x"] + min(box["width"] / 2, 40), canvas[1] + box["y"] + 10
        actions = ActionChains(self.browser, duration=0)
        actions.w3c_actions.pointer_action.move_to_location(int(x), int(y))
        return actions

    def click_node(self, node):
        actions = self._to(node)
        actions.w3c_actions.pointer_action.click()
        actions.perform()
        self.settle()

    def hover_node(self, node):
        self._to(node).perform()
        self.settle()

    def click(self, css):
        self.find(css).click()
        self.settle()

    def keys(self, *keys):
        from selenium.webdriver import ActionChains

        ActionChains(self.browser, duration=0).send_keys(*keys).perform()
        self.settle()

    def search(self, text):
        field = self.find("#search")
        field.clear()
        field.send_keys(text)
        self.settle()


@pytest.fixture
def open_page(browser, make_report):
    opened = []

    def open_(kind, *options):
        opened.append(Page(browser, make_report(kind, *options)))
        return opened[-1]

    yield open_
    problems = [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert problems == []


def expected(stacks, *, inverted=False, threads=False):
    """(thread, path) -> [bytes, count] for every prefix, from the truth."""
    sums = defaultdict(lambda: [0, 0])
    for entry in stacks:
        path = [tuple(frame) for frame in entry["stack"]]
        if inverted:
            path.reverse()
        for length in range(len(path) + 1):
            thread = entry["thread"] if threads and length > 0 else 0
            node = sums[thread, tuple(path[:length])]
            node[0] += entry["bytes"]
            node[1] += entry["count"]
    total = sums[0, ()]
    return {
        key: tuple(node)
        for key, node in sums.items()
        if node[0] >= SHARE * total[0] or node[1] >= SHARE * total[1]
    }


def drawn(page, tree=None, threads=False):
    """The same, from the page's data, without what is merged."""
    tree = tree or page.tree
    labels = {}
    sums, path = {}, []
    for i, depth in enumerate(tree["depth"]):
        del path[max(depth - 1, 0) :]
        if depth > 0:
            path.append(page.frame(i, tree))
        if path and path[-1][0] == "(merged)":
            continue
        thread = 0
        if threads and depth > 0:
            label = page.report["threads"][tree["thread"][i]]
            thread = {"MainThread": 0, "worker": 1, "Прогрев": 2}[label.split("(")[1].split(")")[0]]
            labels[thread] = label
        assert (thread, tuple(path)) not in sums
        sums[thread, tuple(path)] = (tree["bytes"][i], tree["count"][i])
    return sums


def si(size):
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.95:
            return f"{size} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000


def grouped(number):
    return f"{number:,}".replace(",", "\u202f")


@pytest.mark.parametrize("view, options", [("peak", ()), ("leaks", ("--leaks",))])
def test_numbers_are_those_of_the_capture(open_page, make_capture, view, options):
    truth = make_capture("shop")[1][view]
    page = open_page("shop", *options)
    assert drawn(page) == expected(truth)


def test_inverted(open_page, make_capture):
    page = open_page("shop", "--inverted")
    assert page.browser.title == "memray - inverted flamegraph report"
    stacks = make_capture("shop")[1]["peak"]
    assert drawn(page) == expected(stacks, inverted=True)

    def outside_import(stack):
        first = next((i for i, frame in enumerate(stack) if "frozen importlib" in frame[1]), len(stack))
        return stack[:first]

    cut = [{**entry, "stack": outside_import(entry["stack"])} for entry in stacks]
    assert drawn(page, page.report["withoutImports"]) == expected(cut, inverted=True)
    page.click("#hide-imports")
    assert len(page.shown()) == len(page.report["withoutImports"]["depth"])


def test_threads(open_page, make_capture):
    page = open_page("shop", "--split-threads")
    stacks = make_capture("shop")[1]["peak"]
    assert drawn(page, threads=True) == expected(stacks, threads=True)

    label = next(each for each in page.report["threads"] if "worker" in each)
    page.find("#thread").send_keys(label)
    page.settle()
    own = [entry for entry in stacks if entry["thread"] == 1]
    assert si(sum(entry["bytes"] for entry in own)) in page.text("#details")
    tree = page.tree
    numbers = {page.report["threads"][tree["thread"][node]] for node in page.shown() if node > 0}
    assert numbers == {label}


def test_titles(open_page):
    assert open_page("shop").browser.title == "memray - flamegraph report"
    assert open_page("shop", "--leaks").browser.title == "memray - flamegraph report (memory leaks)"


def test_click_zooms_and_the_browser_goes_back(open_page):
    page = open_page("shop")
    width = page.box(0)["width"]
    first, second = page.node("load_orders"), page.node("read_csv")
    assert page.box(first)["width"] < width
    assert not page.find("#reset").is_enabled()

    page.click_node(first)
    assert page.zoomed() == first
    assert page.box(first)["width"] == pytest.approx(width, abs=0.1)
    assert page.browser.current_url.endswith(f"#{first}")
    page.click_node(second)
    assert page.zoomed() == second
    # Who called is still there; who is elsewhere is not.
    assert page.box(first)["width"] == pytest.approx(width, abs=0.1)
    assert page.box(page.node("fetch_rates")) is None

    page.browser.back()
    page.settle()
    assert page.zoomed() == first
    page.browser.back()
    page.settle()
    assert page.zoomed() == 0
    page.browser.forward()
    page.settle()
    assert page.zoomed() == first

    page.click("#reset")
    assert page.zoomed() == 0
    page.click_node(second)
    page.keys("\ue00c")  # Escape
    assert page.zoomed() == 0


def test_an_address_with_a_node_opens_there(open_page, browser):
    page = open_page("shop")
    node = page.node("read_csv")
    browser.get(browser.current_url.split("#")[0] + f"#{node}")
    browser.refresh()
    page.settle()
    assert page.zoomed() == node
    assert page.find("#reset").is_enabled()


def test_widths_are_in_proportion(open_page):
    page = open_page("shop")
    tree, width = page.tree, page.box(0)["width"]
    for metric in ("bytes", "count"):
        page.click(f"input[value={metric}] + span")
        for node in page.shown():
            box = page.box(node)
            share = tree[metric][node] / tree[metric][0] * width
            if box:
                assert box["width"] == pytest.approx(share, abs=0.01)
            else:
                assert share < 1


def test_search(open_page, make_capture):
    page = open_page("shop")
    stacks = make_capture("shop")[1]["peak"]
    total = sum(entry["bytes"] for entry in stacks)

    def share(wanted):
        held = sum(e["bytes"] for e in stacks if any(wanted in (f[0] + "\n" + f[1]).lower() for f in e["stack"]))
        percent = 100 * held / total
        return f"{percent:.{2 if percent < 10 else 1}f} %"

    for text in ("decode", "ORDER.", "größe", "site-packages", "計算"):
        page.search(text)
        assert page.text("#matched").startswith(f"matched: {share(text.lower())} in ")
    page.search("zzz")
    assert page.text("#matched") == "no match"
    page.keys("\ue00c")
    assert page.text("#matched") == ""
    page.keys("/")
    assert page.run("return document.activeElement.id") == "search"


def test_tooltip(open_page):
    page = open_page("shop")
    node = page.node("load_orders")
    page.hover_node(node)
    tooltip = page.text("#tooltip")
    tree = page.tree
    assert tooltip.startswith("load_orders\n/home/ada/shop/app.py:57\n")
    assert si(tree["bytes"][node]) in tooltip
    assert f"{grouped(tree['count'][node])} allocations" in tooltip
    assert f"{100 * tree['bytes'][node] / tree['bytes'][0]:.1f} %" in tooltip


def test_names_that_are_html_stay_text(open_page, browser):
    page = open_page("shop")
    node = page.node("<script>alert(document.domain)</script>")
    page.hover_node(node)
    assert "<script>alert(document.domain)</script>" in page.text("#tooltip")
    page.hover_node(page.node('"><img src=x onerror=alert(1)>'))
    assert "/tmp/<b>&amp;.py:9" in page.text("#tooltip")
    assert page.run("return document.querySelectorAll('img, b, #tooltip script').length") == 0
    assert page.run("return document.scripts.length") == 2
    assert page.text("#command") == "python shop.py --report <all> --currency €"


def test_nothing_is_fetched(open_page):
    page = open_page("shop")
    assert page.run("return performance.getEntriesByType('resource').length") == 0
    policy = page.run("return document.querySelector('meta[http-equiv]').content")
    assert "default-src 'none'" in policy and "unsafe" not in policy


def test_keyboard(open_page):
    page = open_page("shop")
    focused = lambda: page.run("return memrayFlamegraph.focused()")  # noqa: E731
    page.run("document.getElementById('graph').focus()")
    down, up, left, right, enter = "\ue015", "\ue013", "\ue012", "\ue014", "\ue007"
    page.keys(down)
    assert page.frame(focused())[0] == "<module>"
    assert "<module>" in page.run("return document.getElementById('spoken').textContent")
    page.keys(right)
    assert page.frame(focused())[0] == "_bootstrap"
    page.keys(left)
    assert page.frame(focused())[0] == "<module>"
    page.keys(down, down)
    assert page.frame(focused())[0] == "load_orders"
    page.keys(enter)
    assert page.zoomed() == focused()
    page.keys(up)
    assert page.frame(focused())[0] == "main"
    page.keys("\ue011")  # Home
    assert focused() == 0


def test_flames_grow_upwards(open_page):
    page = open_page("shop")
    root, main = page.box(0), page.box(page.node("main"))
    assert root["y"] == 0 and main["y"] == 40
    page.click("input[value=flame] + span")
    height = page.run("return document.getElementById('graph').clientHeight")
    assert page.box(0)["y"] == height - 20
    assert page.box(page.node("main"))["y"] == height - 60
    page.click_node(page.node("main"))
    assert page.zoomed() == page.node("main")


def test_import_system_can_be_hidden(open_page):
    page = open_page("shop")
    importing = page.node("_find_and_load")
    page.click("#hide-imports")
    depth = page.tree["depth"]
    end = next((i for i in range(importing + 1, len(depth)) if depth[i] <= depth[importing]), len(depth))
    assert page.shown() == [i for i in range(len(depth)) if not importing <= i < end]
    page.click("#hide-imports")
    assert page.shown() == list(range(len(depth)))


def test_theme_is_remembered(open_page, browser):
    page = open_page("shop")
    theme = lambda: page.run("return document.documentElement.dataset.theme")  # noqa: E731
    browser.refresh()
    before = theme()
    page.click("#theme-button")
    assert {before, theme()} == {"light", "dark"}
    changed = theme()
    browser.refresh()
    assert theme() == changed
    page.run("localStorage.clear()")


def test_dialogs(open_page):
    page = open_page("shop")
    page.click("#stats-button")
    facts = page.text("#facts")
    for wanted in ("python shop.py --report <all>", "exited with status 3", "3.11.9", "pymalloc"):
        assert wanted in facts
    page.click("#stats-dialog button")
    assert not page.find("#stats-dialog").is_displayed()
    page.keys("?")
    assert "Escape" in page.text("#help")
    page.keys("\ue00c")
    assert not page.find("#help-dialog").is_displayed()
    page.click("#memory-button")
    assert page.find("#memory-large").is_displayed()


def test_memory_over_time(open_page):
    memory = open_page("shop").report["memory"]
    assert len(memory["time"]) == len(memory["rss"]) == len(memory["heap"]) > 100
    assert memory["time"] == sorted(memory["time"])


def test_leaks_of_untraced_pymalloc_are_explained(open_page):
    page = open_page("shop", "--leaks")
    assert "pymalloc" in page.text("#notes")
    page.click("#notes button")
    assert page.text("#notes") == ""
    assert open_page("shop").text("#notes") == ""


def test_deep_recursion(open_page, make_capture):
    page = open_page("deep")
    assert drawn(page) == expected(make_capture("deep")[1]["peak"])
    deepest = max(page.shown(), key=lambda node: page.tree["depth"][node])
    page.run("location.hash = arguments[0]", str(deepest))
    page.settle()
    assert page.zoomed() == deepest
    height = page.run("return document.getElementById('graph').clientHeight")
    assert 0 <= page.box(deepest)["y"] < height
    page.click_node(deepest - 1)
    assert page.zoomed() == deepest - 1


@pytest.mark.slow
def test_a_million_stacks_fit_on_a_page(open_page, make_report):
    page = open_page("huge")
    assert make_report("huge").stat().st_size < 5_000_000
    tree = page.tree
    assert tree["count"][0] == 1_000_000
    assert tree["merged"] > 1_000_000
    # Here nothing but the innermost functions allocates, so every node that calls anything is the sum of what it calls.
    called = defaultdict(int)
    path = []
    for node, depth in enumerate(tree["depth"]):
        path[depth:] = [node]
        if depth > 0:
            called[path[depth - 1]] += tree["bytes"][node]
    assert all(tree["bytes"][node] == held for node, held in called.items())
