"""Boxes of a flame graph: which there are, what they hold, how large they are, and how large the page is."""
from collections import defaultdict

import pytest
from flames import drawn, expected, functions, open_page  # noqa: F401
from pages import si


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


def test_a_page_without_boxes_says_so(open_page):
    page = open_page("shop", "--leaks", "--from=1h")
    assert page.tree["bytes"] == [0]
    assert page.text("#empty") == "Nothing to show."
    assert open_page("shop").text("#empty") == ""


def test_titles(open_page):
    assert open_page("shop").browser.title == "memray - flamegraph report"
    assert open_page("shop", "--leaks").browser.title == "memray - flamegraph report (memory leaks)"


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
