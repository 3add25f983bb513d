"""The table as somebody uses it, in a real browser, against sums made apart from memray."""
import json
from collections import defaultdict

import pytest
from pages import BrowserPage, grouped, percent, si

THREADS = {0: "Thread 1 (MainThread)", 1: "Thread 2 (worker)", 2: "Thread 3 (Прогрев)"}


class TablePage(BrowserPage):
    def __init__(self, browser, path):
        super().__init__(browser, path)
        self.look()

    def look(self):
        self.rows = json.loads(self.run("return JSON.stringify(memrayTable.rows())"))

    def search(self, text):
        super().search(text)
        self.look()

    def visible(self):
        return [[cell.text for cell in row.find_elements("css selector", "[role=gridcell]")] for row in self.all("#rows .row")]


@pytest.fixture
def open_table(browser, make_report):
    def open_(kind, *options):
        return TablePage(browser, make_report(kind, *options, report="table"))

    yield open_
    problems = [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert problems == []


def expected(stacks, threads=False):
    sums = defaultdict(lambda: [0, 0])
    for entry in stacks:
        innermost = tuple(entry["stack"][-1]) if entry["stack"] else ("???", "", 0)
        sums[innermost, THREADS[entry["thread"]] if threads else ""][0] += entry["bytes"]
        sums[innermost, THREADS[entry["thread"]] if threads else ""][1] += entry["count"]
    return {key: tuple(value) for key, value in sums.items()}


def listed(page):
    made = {}
    for row in page.rows:
        name = "???" if row["function"] == "???" else row["function"]
        key = (name, "" if name == "???" else row["file"], row["line"]), row["thread"]
        assert key not in made and row["allocator"] == "malloc"
        made[key] = row["bytes"], row["count"]
    return made


@pytest.mark.parametrize("view, options", [("peak", ()), ("leaks", ("--leaks",)), ("peak", ("--split-threads",))])
def test_numbers_are_those_of_the_capture(open_table, make_capture, view, options):
    page = open_table("shop", *options)
    stacks = make_capture("shop")[1][view]
    assert listed(page) == expected(stacks, threads=bool("--split-threads" in options))
    total = sum(entry["bytes"] for entry in stacks)
    assert si(total) in page.text("#headline") and si(total) in page.text("#totals")
    assert page.browser.title == "memray - table report" + (" (memory leaks)" if view == "leaks" else "")
    sizes = [row["bytes"] for row in page.rows]
    assert sizes == sorted(sizes, reverse=True)


def test_headings_sort(open_table):
    page = open_table("shop", "--split-threads")

    def click(label):
        next(button for button in page.all("#head button") if button.text.split()[0] == label).click()
        page.settle()
        page.look()
        return page.rows

    for label, key in (
        ("Allocations", lambda row: -row["count"]),
        ("Location", lambda row: (row["function"], row["file"], row["line"])),
        ("Thread", lambda row: row["thread"]),
    ):
        assert list(map(key, click(label))) == sorted(map(key, page.rows))
        assert list(map(key, click(label))) == sorted(map(key, page.rows), reverse=True)
        assert page.run("return document.activeElement.textContent") == label
    assert page.find("#head [aria-sort=descending]").text.startswith("Thread")
    click("Size")
    first = page.visible()[0]
    assert first[0] == si(page.rows[0]["bytes"]) and first[2] == grouped(page.rows[0]["count"])


def test_search_and_filters_keep_totals(open_table, make_capture):
    page = open_table("shop", "--split-threads")
    stacks = make_capture("shop")[1]["peak"]
    total = sum(entry["bytes"] for entry in stacks)

    def check(wanted):
        found = [entry for entry in stacks if wanted(entry)]
        assert listed(page) == expected(found, threads=True)
        held = sum(entry["bytes"] for entry in found)
        assert page.text("#totals").startswith(f"{si(held)} ({percent(held, total)}) in {grouped(sum(e['count'] for e in found))} allocation")

    innermost = lambda entry: entry["stack"][-1] if entry["stack"] else ("???", "", 0)  # noqa: E731
    page.search("DECODE")
    check(lambda entry: "decode" in (innermost(entry)[0] + innermost(entry)[1]).lower())
    page.search("")
    page.choose("thread", THREADS[1])
    check(lambda entry: entry["thread"] == 1)
    page.choose("kind", "program")
    check(lambda entry: entry["thread"] == 1 and innermost(entry)[1].startswith("/home/ada/"))
    page.search("no such thing")
    assert page.text("#rows") == "Nothing to show." and page.text("#totals").startswith("0 B")
    page.keys("\ue00c")
    page.look()
    check(lambda entry: entry["thread"] == 1 and innermost(entry)[1].startswith("/home/ada/"))


def test_keyboard_and_details(open_table):
    page = open_table("shop")
    page.keys("/")
    assert page.run("return document.activeElement.id") == "search"
    page.run("document.getElementById('grid').focus()")
    page.keys("\ue015", "\ue015")
    row = page.rows[1]
    assert page.find("#rows [aria-selected=true]").get_attribute("aria-rowindex") == "3"
    assert page.text("#details").startswith(f"{row['function']} · {row['file']}:{row['line']} · {si(row['bytes'])}")
    assert page.find("#source").get_attribute("href") == f"vscode://file{row['file']}:{row['line']}"
    page.keys("\ue010")  # End
    assert page.find("#rows [aria-selected=true]").get_attribute("aria-rowindex") == str(len(page.rows) + 1)


def test_names_that_are_html_stay_text(open_table):
    page = open_table("shop")
    page.search("<script>")
    assert page.visible()[0][4].startswith("<script>alert(document.domain)</script>")
    assert page.run("return document.querySelectorAll('#rows script, #rows img').length") == 0
    assert page.run("return document.scripts.length") == 2


def test_only_visible_rows_are_elements(open_table, make_report):
    page = open_table("wide")
    assert make_report("wide", report="table").stat().st_size < 5_000_000
    assert len(page.rows) == 50_000
    assert [row["count"] for row in page.rows if row["function"] == "(merged)"] == [60_000 - 49_999]
    assert sum(row["count"] for row in page.rows) == 60_000
    assert "10\u202f001 smallest" in page.text("#merged")
    assert len(page.all("#rows .row")) < 80
    page.run("document.getElementById('grid').scrollTop = 28 * 30000")
    page.settle()
    shown = page.visible()
    assert len(shown) < 80
    assert any(cells[0] == si(page.rows[30_005]["bytes"]) for cells in shown)


def test_the_chrome_is_there(open_table):
    page = open_table("shop", "--leaks")
    assert "pymalloc" in page.text("#notes") and page.text("#allocator") == "pymalloc"
    page.click("#stats-button")
    assert "exited with status 3" in page.text("#facts")
    page.click("#stats-dialog button")
    page.click("#memory-button")
    assert page.find("#memory-csv").is_displayed()
    page.keys("\ue00c")
    before = page.run("return document.documentElement.dataset.theme")
    page.keys("t")
    assert page.run("return document.documentElement.dataset.theme") != before
    page.run("localStorage.clear()")
    assert page.run("return performance.getEntriesByType('resource').length") == 0
