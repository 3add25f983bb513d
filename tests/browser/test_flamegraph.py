"""The flame graph as somebody uses it, in a real browser, against sums made apart from memray."""
import json
import time
from collections import defaultdict

import pytest
from pages import BrowserPage, grouped, percent, si

ROOT = ("<root>", "", 0)
SHARE = 1e-4  # below which siblings are merged


class Page(BrowserPage):
    """One report in the browser. Nodes are named by their place in the tree that is shown."""

    def __init__(self, browser, path, everything=True):
        super().__init__(browser, path)
        if everything:
            self.run("document.getElementById('hide-irrelevant').click()")
        self.look()

    def look(self):
        # As text: the driver takes minutes for large objects.
        self.tree = json.loads(self.run("return JSON.stringify(memrayFlamegraph.tree())"))
        self.tree["frame"] = [self.tree["frames"][frame] for frame in self.tree["frame"]]

    def frame(self, node):
        frame = self.tree["frame"][node]
        return frame["function"], frame["file"], frame["line"]

    def node(self, function):
        """The first node of that function."""
        return next(i for i, frame in enumerate(self.tree["frame"]) if frame["function"] == function)

    def box(self, node):
        return self.run("return memrayFlamegraph.box(arguments[0])", node)

    def zoomed(self):
        return self.run("return memrayFlamegraph.zoomed()")

    def _to(self, node):
        from selenium.webdriver import ActionChains

        box = self.box(node)
        canvas = self.run("const r = document.querySelector('#graph canvas').getBoundingClientRect(); return [r.x, r.y]")
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


@pytest.fixture
def open_page(browser, make_report):
    opened = []

    def open_(kind, *options, everything=True):
        opened.append(Page(browser, make_report(kind, *options), everything))
        return opened[-1]

    yield open_
    problems = [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert problems == []


class Trie:
    """Sums by path, as a tree of dictionaries: {(thread, frame): Trie}."""

    def __init__(self):
        self.bytes = self.count = 0
        self.children = {}

    def child(self, key):
        return self.children.setdefault(key, Trie())

    def without_small(self, total):
        """(bytes, count, children), less what is too small to be shown."""
        todo, made = [self], {}
        order = []
        while todo:
            node = todo.pop()
            order.append(node)
            todo += node.children.values()
        for node in reversed(order):
            kept = {key: made[id(each)] for key, each in node.children.items() if id(each) in made}
            if node.bytes >= SHARE * total.bytes or node.count >= SHARE * total.count:
                made[id(node)] = (node.bytes, node.count, kept)
        return made[id(self)]


def expected(stacks, *, inverted=False, threads=False):
    """Every prefix of every stack with its sums, from the truth."""
    root = Trie()
    for entry in stacks:
        path = [tuple(frame) for frame in entry["stack"]]
        if inverted:
            path.reverse()
        nodes = [root]
        for frame in path:
            nodes.append(nodes[-1].child((entry["thread"] if threads else 0, frame)))
        for node in nodes:
            node.bytes += entry["bytes"]
            node.count += entry["count"]
    return flat(root.without_small(root))


def flat(node):
    """Preorder with sorted children, as a list that compares without recursion."""
    listed, todo = [], [((0, ROOT), 0, node)]
    while todo:
        key, depth, (held, count, children) = todo.pop()
        listed.append((depth, key, held, count))
        todo += [(key, depth + 1, children[key]) for key in sorted(children, reverse=True)]
    return listed


def large(nodes):
    """What was merged before boxes were grouped or moved is merged still, so small ones may be missing."""
    return [node for node in nodes if node[2] > 0.001 * nodes[0][2]]


THREADS = {"MainThread": 0, "worker": 1, "Прогрев": 2}


def drawn(page, threads=False):
    """The same, from the page, without what is merged."""
    tree = page.tree
    path, root = [], None
    for i, depth in enumerate(tree["depth"]):
        del path[depth:]
        if tree["frame"][i]["function"] == "(merged)":
            path.append(None)
            continue
        label = tree["thread"][i]
        thread = THREADS[label.split("(")[1].split(")")[0]] if threads and depth > 0 else 0
        node = (tree["bytes"][i], tree["count"][i], {})
        if depth > 0:
            siblings = path[-1][2]
            assert (thread, page.frame(i)) not in siblings
            siblings[thread, page.frame(i)] = node
        else:
            root = node
        path.append(node)
    return flat(root)


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
    page.click("#hide-imports")
    assert drawn(page) == expected(cut, inverted=True)


def test_threads(open_page, make_capture):
    page = open_page("shop", "--split-threads")
    stacks = make_capture("shop")[1]["peak"]
    assert drawn(page, threads=True) == expected(stacks, threads=True)

    option = next(each for each in page.all("#thread option") if "worker" in each.text)
    page.choose("thread", option.get_attribute("value"))
    own = [entry for entry in stacks if entry["thread"] == 1]
    assert si(sum(entry["bytes"] for entry in own)) in page.text("#details")
    assert page.tree["bytes"][0] == sum(entry["bytes"] for entry in own)
    assert set(page.tree["thread"][1:]) == {option.text}


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
        for node in range(len(tree["depth"])):
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
        return percent(held, total)

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


def functions(page):
    return {frame["function"] for frame in page.tree["frame"]}


def test_import_system_can_be_hidden(open_page):
    page = open_page("shop")
    before = page.tree
    assert {"_find_and_load", "get_data"} <= functions(page)
    page.click("#hide-imports")
    assert not {"_find_and_load", "get_data"} & functions(page)
    assert not any(frame["file"] == "/srv/venv/lib/python3.11/site-packages/pandas/core/frame.py" and frame["line"] == 1 for frame in page.tree["frame"])
    assert page.tree["bytes"][0] == before["bytes"][0]
    page.click("#hide-imports")
    assert page.tree == before


def test_irrelevant_frames_are_hidden_and_their_callees_are_not(open_page, make_capture):
    page = open_page("shop", everything=False)
    assert page.find("#hide-irrelevant").is_selected()
    stacks = make_capture("shop")[1]["peak"]
    without = [{**entry, "stack": [frame for frame in entry["stack"] if "frozen importlib" not in frame[1]]} for entry in stacks]
    assert large(drawn(page)) == large(expected(without))


@pytest.mark.parametrize("by", ["function", "file", "module"])
def test_groups(open_page, make_capture, by):
    page = open_page("shop")
    stacks = make_capture("shop")[1]["peak"]
    key = {
        "function": lambda frame: (frame[0], frame[1], 0),
        "file": lambda frame: (frame[1].rsplit("/", 1)[-1], frame[1], 0),
        "module": lambda frame: module(frame[1]),
    }[by]

    def grouped_stack(stack):
        keys = [key(frame) for frame in stack]
        return keys if by == "function" else [each for i, each in enumerate(keys) if i == 0 or keys[i - 1] != each]

    wanted = expected([{**entry, "stack": grouped_stack(entry["stack"])} for entry in stacks])
    page.choose("group", by)
    if by == "module":
        for frame in page.tree["frame"][1:]:
            frame["file"] = ""
    assert large(drawn(page)) == large(wanted)


def module(file):
    if "site-packages/" in file:
        return file.split("site-packages/")[1].split("/")[0], "", 0
    if file.startswith("/usr/lib/python3.11/"):
        return file.split("/")[4].split(".")[0], "", 0
    return ("importlib" if file.startswith("<frozen") else file.rsplit("/", 1)[-1]), "", 0


def test_callers_and_callees_of_one_function(open_page, make_capture):
    page = open_page("shop")
    decode = page.node("decode")
    stacks = [entry for entry in make_capture("shop")[1]["peak"] if any(frame[0] == "decode" for frame in entry["stack"])]
    total = sum(entry["bytes"] for entry in stacks)

    page.click_node(decode)
    page.click("#sandwich")
    assert page.browser.current_url.split("#")[1].startswith("of=")
    both = page.run("return memrayFlamegraph.sandwich()")
    assert both["callers"][0] == both["callees"][0] == {"name": "decode", "depth": 0, "bytes": total}
    by_caller = defaultdict(int)
    for entry in stacks:
        names = [frame[0] for frame in entry["stack"]]
        by_caller[names[names.index("decode") - 1]] += entry["bytes"]
    assert {each["name"]: each["bytes"] for each in both["callers"] if each["depth"] == 1} == by_caller
    raw = sum(entry["bytes"] for entry in stacks if entry["stack"][-1][0] == "raw_decode")
    assert [each["bytes"] for each in both["callees"] if each["name"] == "raw_decode"] == [raw]
    own = sum(entry["bytes"] for entry in stacks if entry["stack"][-1][0] == "decode")
    assert f"{si(own)} allocated in it directly" in page.text("#callees-title")

    page.run("document.getElementById('callers').focus()")
    page.keys("\ue013")  # up: to a caller
    page.keys("\ue007")
    assert page.run("return memrayFlamegraph.sandwich()")["callers"][0]["name"] == max(by_caller, key=by_caller.get)
    page.browser.back()
    page.settle()
    assert page.run("return memrayFlamegraph.sandwich()")["callers"][0]["name"] == "decode"
    page.keys("\ue00c")
    assert page.find("#graph").is_displayed() and not page.find("#both").is_displayed()


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


def test_memory_over_time_as_csv(open_page, browser, tmp_path):
    page = open_page("shop")
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    page.click("#memory-button")
    assert page.find("#memory-large").is_displayed()
    page.click("#memory-csv")
    file = tmp_path / "usage_over_time.csv"
    deadline = time.monotonic() + 30
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    header, *rows = file.read_text().splitlines()
    assert header == "trace,timestamp,memory_size_bytes"
    heap = [row.split(",") for row in rows if row.startswith("Heap size,")]
    assert len(heap) == len(rows) / 2 > 100
    assert [row[1] for row in heap] == sorted(row[1] for row in heap)
    assert heap[0][1].startswith("2026-05-28T20:26:40.")


def test_leaks_of_untraced_pymalloc_are_explained(open_page):
    page = open_page("shop", "--leaks")
    assert "pymalloc" in page.text("#notes")
    page.click("#notes button")
    assert page.text("#notes") == ""
    assert open_page("shop").text("#notes") == ""


class History:
    """What was live when, from the truth."""

    def __init__(self, truth):
        self.stacks, self.lives, self.borders = truth["stacks"], truth["lives"], truth["samples"]
        changes = []
        for number, (_, size, begin, end) in enumerate(self.lives):
            changes.append((begin, 1, number, size))
            if end >= 0:
                changes.append((end, 0, number, -size))
        self.highest = [(0, 0)] * (len(self.borders) + 1)  # by slot: (live bytes, moment)
        held, slot = 0, 0
        for time, _, _, size in sorted(changes):
            while slot < len(self.borders) and time > self.borders[slot]:
                slot += 1
                self.highest[slot] = (held, self.borders[slot - 1])
            held += size
            if held >= self.highest[slot][0]:
                self.highest[slot] = (held, time)

    def sums(self, wanted):
        entries = defaultdict(lambda: [0, 0])
        for number, size, begin, end in self.lives:
            if wanted(begin, end):
                entries[number][0] += size
                entries[number][1] += 1
        return [{"stack": self.stacks[number], "bytes": each[0], "count": each[1], "thread": 0} for number, each in entries.items()]

    def at_peak_of(self, first, last):
        slot = max(range(first, last), key=lambda i: (self.highest[i][0], i))
        moment = self.highest[slot][1]
        return self.sums(lambda begin, end: begin <= moment and (end < 0 or end > moment))

    def leaked_in(self, first, last):
        begin_of = lambda slot: self.borders[slot - 1] if slot > 0 else -1  # noqa: E731
        lower, upper = begin_of(first), begin_of(last) if last <= len(self.borders) else float("inf")
        return self.sums(lambda begin, end: lower < begin <= upper and (end < 0 or end > upper))


def test_time_windows_show_their_highest_moment(open_page, make_capture):
    history = History(make_capture("shop")[1])
    page = open_page("shop", "--temporal")
    assert page.browser.title == "memray - temporal flamegraph report"
    slots = len(history.borders) + 1
    assert large(drawn(page)) == large(expected(history.at_peak_of(0, slots)))
    peak = page.tree
    for first, last in ((0, 1), (0, 30), (40, 41), (100, 170), (slots - 1, slots), (slots - 60, slots - 20)):
        page.run("memrayFlamegraph.range.choose(arguments[0], arguments[1])", first, last)
        page.look()
        assert large(drawn(page)) == large(expected(history.at_peak_of(first, last)))
    page.click("#range-peak")
    assert page.tree == peak
    page.click("#range-all")
    assert page.tree == peak


def test_what_a_time_window_leaked(open_page, make_capture):
    history = History(make_capture("shop")[1])
    page = open_page("shop", "--temporal", "--leaks")
    slots = len(history.borders) + 1
    for first, last in ((0, slots), (0, 50), (20, 21), (90, 180), (slots - 30, slots)):
        page.run("memrayFlamegraph.range.choose(arguments[0], arguments[1])", first, last)
        page.look()
        assert large(drawn(page)) == large(expected(history.leaked_in(first, last)))


def test_a_time_window_is_chosen_by_keyboard_and_by_dragging(open_page, make_capture):
    from selenium.webdriver import ActionChains

    history = History(make_capture("shop")[1])
    page = open_page("shop", "--temporal")
    slots = len(history.borders) + 1
    page.run("document.querySelectorAll('.handle')[1].focus()")
    page.keys("\ue00f")  # page down: a twentieth
    page.keys("\ue012")
    last = slots - round(slots / 20) - 1
    assert page.run("return document.activeElement.getAttribute('aria-valuenow')") == str(last)
    page.look()
    assert large(drawn(page)) == large(expected(history.at_peak_of(0, last)))

    chart = page.find("#memory-chart")
    ActionChains(page.browser, duration=0).move_to_element_with_offset(chart, -300, 0).click_and_hold().move_by_offset(100, 0).release().perform()
    page.settle()
    first, last = (int(each.get_attribute("aria-valuenow")) for each in page.all(".handle"))
    assert 0 < first < last < slots
    page.look()
    assert large(drawn(page)) == large(expected(history.at_peak_of(first, last)))


def test_deep_recursion(open_page, make_capture):
    page = open_page("deep")
    assert drawn(page) == expected(make_capture("deep")[1]["peak"])
    deepest = max(range(len(page.tree["depth"])), key=lambda node: page.tree["depth"][node])
    page.run("location.hash = arguments[0]", str(page.tree["id"][deepest]))
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
    assert "smaller than" in page.text("#merged")
    # Here nothing but the innermost functions allocates, so every node that calls anything is the sum of what it calls.
    called = defaultdict(int)
    path = []
    for node, depth in enumerate(tree["depth"]):
        path[depth:] = [node]
        if depth > 0:
            called[path[depth - 1]] += tree["bytes"][node]
    assert all(tree["bytes"][node] == held for node, held in called.items())


@pytest.mark.parametrize("options", [(), ("--inverted",), ("--temporal", "--inverted"), ("--temporal", "--leaks")])
def test_no_page_is_larger_than_five_megabytes(open_page, make_report, options):
    assert make_report("bushy", *options).stat().st_size < 5_000_000
    page = open_page("bushy", *options)
    names = functions(page)
    assert len(names) > 20_000 and "(merged)" in names
