"""Pages of HTML without a browser: what is in them agrees with the other reports, and options do what they say."""
import json
import os
import subprocess
import sys

import pytest

from page_data import data_of, unpack

PROGRAM = """
import json, threading
kept = []
def parse(n):
    return json.loads(json.dumps([{"a": i, "b": "x" * 40} for i in range(n)]))
def work():
    kept.append(bytearray(300_000))
thread = threading.Thread(target=work, name="worker")
thread.start(); thread.join()
parse(20_000)
kept.append(parse(5_000))
"""


@pytest.fixture(scope="module")
def recorded(memray, tmp_path_factory):
    folder = tmp_path_factory.mktemp("html")
    script = folder / "program.py"
    script.write_text(PROGRAM)
    capture = folder / "program.bin"
    subprocess.run([memray, "run", "-q", "--python", sys.executable, "-o", capture, script], check=True)
    return capture


@pytest.fixture
def page_of(memray, recorded, tmp_path):
    def make(report, *options):
        page = tmp_path / "page.html"
        done = subprocess.run([memray, report, "-f", "-o", page, *options, recorded], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stderr
        return page.read_text()

    return make


def printed(memray, report, capture, *options):
    return json.loads(subprocess.run([memray, report, "--json", *options, capture], check=True, stdout=subprocess.PIPE).stdout)


@pytest.mark.parametrize("view", [(), ("--leaks",), ("--temporary-allocations",)])
def test_all_pages_hold_what_summary_says(memray, recorded, page_of, view):
    summary = printed(memray, "summary", recorded, *view)
    wanted = summary["total_bytes"], summary["num_allocations"]
    for options in ((), ("--inverted",), ("--split-threads",)):
        tree = data_of(page_of("flamegraph", *view, *options))["tree"]
        assert (sum(unpack(tree["bytes"])), sum(unpack(tree["count"]))) == wanted
    for options in ((), ("--split-threads",)):
        rows = data_of(page_of("table", *view, *options))["rows"]
        assert (sum(unpack(rows["bytes"])), sum(unpack(rows["count"]))) == wanted


def test_functions_of_the_flame_graph_are_those_of_summary(memray, recorded, page_of):
    rows = printed(memray, "summary", recorded)["locations"]
    wanted = {(row["function"], row["file"]): (row["own_bytes"], row["total_bytes"], row["num_allocations"]) for row in rows}
    data = data_of(page_of("flamegraph"))
    functions, strings, frames = data["functions"], data["strings"], data["frames"]
    names, files = unpack(frames["function"]), unpack(frames["file"])
    columns = [unpack(functions[name]) for name in ("frame", "own", "total", "count")]
    found = {(strings[names[frame]], strings[files[frame]]): sums for frame, *sums in zip(*columns)}
    assert ("parse", str(recorded.parent / "program.py")) in found
    assert {key: tuple(sums) for key, sums in found.items()} == {key: wanted[key] for key in found}


def test_the_highest_slot_over_time_is_the_peak(memray, recorded, page_of):
    summary = printed(memray, "summary", recorded)
    data = data_of(page_of("flamegraph", "--temporal"))
    water = unpack(data["temporal"]["highWater"])
    assert max(water) == summary["total_bytes"]
    slot = max(range(len(water)), key=lambda i: (water[i], i))
    intervals = data["tree"]["intervals"]
    live = zip(*(unpack(intervals[name]) for name in ("from", "length", "bytes")))
    assert sum(held for begin, length, held in live if begin <= slot < begin + length) == summary["total_bytes"]


def test_facts_are_those_of_stats_and_summary(memray, recorded, page_of, tmp_path):
    subprocess.run([memray, "stats", "--json", "-o", tmp_path / "stats.json", recorded], check=True, stdout=subprocess.PIPE)
    stats = json.loads((tmp_path / "stats.json").read_text())
    summary = printed(memray, "summary", recorded)
    for report in ("flamegraph", "table"):
        facts = {fact["label"]: fact["value"] for fact in data_of(page_of(report))["chrome"]["facts"]}
        assert facts["Peak memory"] == summary["total_bytes"] and facts["Allocations at the peak"] == summary["num_allocations"]
        assert facts["Process"] == str(summary["pid"]) and facts["Command line"] == summary["command_line"]
        assert facts["Allocations"] == stats["total_num_allocations"] and facts["Allocated in total"] == stats["total_bytes_allocated"]
        assert facts["Peak memory"] == stats["metadata"]["peak_memory"]


def sources(data):
    return {data["strings"][number] for number in unpack(data["frames"]["source"])} - {""}


@pytest.mark.parametrize("report", ["flamegraph", "table"])
def test_source_goes_along_unless_confidential(page_of, report):
    line = 'return json.loads(json.dumps([{"a": i, "b": "x" * 40} for i in range(n)]))'
    data = data_of(page_of(report))
    assert line in sources(data) and data["sourceLink"].startswith("vscode:")
    data = data_of(page_of(report, "--confidential-files", "all"))
    assert not sources(data) and data["sourceLink"] == ""
    data = data_of(page_of(report, "--confidential-files=none", "--source-link=none"))
    assert line in sources(data) and data["sourceLink"] == ""
    data = data_of(page_of(report, "--confidential-files=all", "--source-link=editor:{file}#{line}"))
    assert data["sourceLink"] == "editor:{file}#{line}"


def test_a_file_changed_since_shows_no_lines(recorded, page_of):
    script = recorded.parent / "program.py"
    before = script.stat()
    try:
        script.write_text("# another\n" * 20)
        assert not any("another" in line for line in sources(data_of(page_of("flamegraph"))))
    finally:
        script.write_text(PROGRAM)
        os.utime(script, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_memory_over_time_has_as_many_points_as_wanted(page_of):
    assert len(unpack(data_of(page_of("flamegraph", "--no-web", "--max-memory-records", "3"))["chrome"]["memory"]["rss"])) <= 3


def test_contradictions_are_usage_errors(memray, recorded, tmp_path):
    def failed(*options):
        done = subprocess.run([memray, "flamegraph", "-o", tmp_path / "x.html", *options, recorded], stderr=subprocess.PIPE, text=True)
        assert not (tmp_path / "x.html").exists() and done.stderr.count("\n") == 1
        return done.returncode, done.stderr

    assert failed("--temporal", "--temporary-allocations")[0] == 2
    assert failed("--temporal", "--from", "10ms")[0] == 2
    code, text = failed("--source-link", "emacs")
    assert code == 1 and "{file}" in text
