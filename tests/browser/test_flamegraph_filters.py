"""Other graphs of the same stacks: without frames that few look for, by group, around one function."""
from collections import defaultdict

import pytest
from flames import drawn, expected, functions, large, open_page  # noqa: F401
from pages import si


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
