"""Going about in a flame graph: with mouse, keyboard, addresses, and what is shown beside the boxes."""
import time

import pytest
from flames import open_page  # noqa: F401
from pages import grouped, percent, si


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
