"""The flame graph of a difference in a real browser, against sums made apart from memray."""
import json
import subprocess
from collections import defaultdict

import pytest
from pages import BrowserPage, si


class DiffPage(BrowserPage):
    def __init__(self, browser, path):
        super().__init__(browser, path)
        self.run("document.getElementById('hide-irrelevant').click()")
        self.look()

    def look(self):
        self.tree = json.loads(self.run("return JSON.stringify(memrayFlamegraph.tree())"))

    def name(self, node):
        return self.tree["frames"][self.tree["frame"][node]]["function"]

    def paths(self):
        """{path of functions: (before, after)}, merged ones left out"""
        path, made = [], {}
        for i, depth in enumerate(self.tree["depth"]):
            frame = self.tree["frames"][self.tree["frame"][i]]
            path[depth:] = [(frame["function"], frame["file"])]
            if ("(merged)", "") not in path:
                assert tuple(path[1:]) not in made
                made[tuple(path[1:])] = self.tree["bytesBefore"][i], self.tree["bytes"][i]
        return made


@pytest.fixture
def open_diff(browser, make_capture, memray, tmp_path_factory):
    def open_(before, after):
        page = tmp_path_factory.mktemp("diff") / "page.html"
        captures = [make_capture(kind)[0] for kind in (before, after)]
        subprocess.run([memray, "diff", "--html", "-o", page, *captures], check=True, stdout=subprocess.PIPE)
        return DiffPage(browser, page)

    yield open_
    problems = [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert problems == []


def expected(before, after):
    sums = defaultdict(lambda: [0, 0])
    for side, stacks in enumerate((before, after)):
        for entry in stacks:
            path = tuple((function, file) for function, file, _ in entry["stack"])
            for length in range(len(path) + 1):
                sums[path[:length]][side] += entry["bytes"]
    return {path: tuple(each) for path, each in sums.items()}


def large(paths):
    return {path: sides for path, sides in paths.items() if max(sides) > 0.001 * max(paths[()])}


def test_both_sides_are_those_of_the_captures(open_diff, make_capture):
    page = open_diff("shop", "grown")
    stacks = [make_capture(kind)[1]["peak"] for kind in ("shop", "grown")]
    wanted = expected(*stacks)
    assert large(page.paths()) == large(wanted)
    before, after = wanted[()]
    assert [si(before), si(after), f"+{si(after - before)}"] == [each.text for each in page.all("#headline dd")]
    assert "−" in page.text("#kinds") and "+" in page.text("#kinds")


def test_widths_and_words(open_diff):
    page = open_diff("shop", "grown")
    gone = next(i for i in range(len(page.tree["frame"])) if page.tree["bytes"][i] == 0)
    share = lambda key: page.tree[key][gone] / page.tree[key][0]  # noqa: E731
    box = lambda node: page.run("return memrayFlamegraph.box(arguments[0])", node)  # noqa: E731
    whole = box(0)["width"]
    assert box(gone)["width"] == pytest.approx(share("larger") * whole, abs=0.01)
    page.click("input[value=change] + span")
    assert box(gone)["width"] == pytest.approx(share("change") * whole, abs=0.01)
    page.click("input[value=bytes] + span")
    assert box(gone) is None
    page.click("input[value=bytesBefore] + span")
    assert box(gone)["width"] == pytest.approx(share("bytesBefore") * whole, abs=0.01)
    page.run("location.hash = arguments[0]", str(page.tree["id"][gone]))
    page.settle()
    details = page.text("#details")
    assert details.startswith(page.name(gone)) and f"−{si(page.tree['bytesBefore'][gone])} (gone)" in details


def test_nothing_changed(open_diff):
    page = open_diff("shop", "shop")
    assert [each.text for each in page.all("#headline dd")][2] == "±0"
    assert page.tree["bytes"] == page.tree["bytesBefore"]
