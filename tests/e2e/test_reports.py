"""What reports say about a recording, worked out again from the text of `memray parse`."""
import collections
import datetime
import json
import math
import shutil

import pytest

from recording import record, run

PROGRAM = '''
import json
import shutil
import threading

def grow(n):
    return [bytearray(1000 + 10 * i) for i in range(n)]

def recurse(depth):
    return grow(20) if depth == 0 else [recurse(depth - 1), bytearray(5000)]

kept = [recurse(5)]
for round in range(50):
    grow(30)
kept.append(json.loads(json.dumps([{"key": "x" * 600, "n": i} for i in range(200)])))

def in_thread():
    kept.append(bytearray(300_000))

threads = [threading.Thread(target=in_thread) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
del kept[0]
'''


@pytest.fixture(scope="module")
def recording(memray, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    script = folder / "shop.py"
    script.write_text(PROGRAM)
    recording = record(memray, folder, script)
    assert recording.done.returncode == 0, recording.done.stderr
    return recording


class Live:
    """Which allocations live, by number: (event, bytes, pieces). Slow and plain."""

    def __init__(self, lines):
        self.lines = lines
        self.process_of = {value["tid"]: value["process"] for kind, value in lines if kind == "THREAD"}
        self.now, self.leaked = {}, []
        self.sum = 0

    def apply(self, kind, event):
        if kind == "ALLOCATION":
            self.now[event["number"]] = (event, event["size"], 1)
            self.sum += event["size"]
        elif kind == "DEALLOCATION":
            self.sum -= self.now.pop(event["number"])[1]
        elif kind == "PARTIAL_DEALLOCATION":
            made, left, _ = self.now[event["number"]]
            self.now[event["number"]] = (made, left - event["size"], event["pieces"])
            self.sum -= event["size"]
        elif kind in ("PROCESS_EXIT", "PROCESS_EXEC"):
            for number, entry in list(self.now.items()):
                if self.process_of[entry[0]["tid"]] == event["process"]:
                    del self.now[number]
                    self.sum -= entry[1]
                    if kind == "PROCESS_EXIT":
                        self.leaked.append(entry)

    def peak(self):
        """Two passes: find the last moment of the highest sum, then replay up to it."""
        highest, moment = 0, -1
        for i, (kind, event) in enumerate(self.lines):
            self.apply(kind, event)
            if self.sum >= highest:
                highest, moment = self.sum, i
        again = Live(self.lines)
        for kind, event in self.lines[: moment + 1]:
            again.apply(kind, event)
        assert again.sum == highest
        return list(again.now.values())

    def leaks(self):
        for kind, event in self.lines:
            self.apply(kind, event)
        return self.leaked + list(self.now.values())


def native_name(recording):
    """Allocations without a Python stack are shown by the native frame, if there is one."""
    return {value["native_stack"] for kind, value in recording.lines if kind == "ALLOCATION"} != {0}


def by_function(recording, live):
    own, total, count = collections.Counter(), collections.Counter(), collections.Counter()
    for event, size, pieces in live:
        stack = [frame[:2] for frame in recording.stacks[event["stack"]]] or [("", "")]
        own[stack[0]] += size
        for function in set(stack):
            total[function] += size
            count[function] += pieces
    return {function: (total[function], own[function], count[function]) for function in count}


@pytest.mark.parametrize("view", ["peak", "leaks"])
def test_summary(recording, view):
    if native_name(recording):
        pytest.skip("recorded with native stacks")
    live = getattr(Live(recording.lines), view)()
    summary = recording.summary(*(["--leaks"] if view == "leaks" else []))
    assert summary["view"] == view
    assert summary["total_bytes"] == sum(size for _, size, _ in live)
    assert summary["num_allocations"] == sum(pieces for _, _, pieces in live)
    reported = {
        (row["function"], row["file"]): (row["total_bytes"], row["own_bytes"], row["num_allocations"])
        for row in summary["locations"]
    }
    assert len(reported) == len(summary["locations"])
    assert reported == by_function(recording, live)


@pytest.mark.parametrize("column, key", [(1, "total_bytes"), (3, "own_bytes"), (5, "num_allocations")])
def test_summary_is_sorted(recording, column, key):
    rows = recording.summary("-s", str(column))["locations"]
    assert [row[key] for row in rows] == sorted((row[key] for row in rows), reverse=True)
    assert recording.summary("-s", str(column), "-r", "2")["locations"] == rows[:2]


def test_summary_names_the_functions_of_the_program(recording):
    text = recording.report("summary", "-r", "1000")
    for function in ("grow", "recurse", "in_thread", "<module>"):
        assert f"{function} at {recording.path.parent}/shop.py" in text


def allocations(recording):
    return [event for kind, event in recording.lines if kind == "ALLOCATION"]


def test_stats(recording):
    events = allocations(recording)
    stats = recording.stats
    sizes = [event["size"] for event in events]
    assert stats["total_num_allocations"] == len(events)
    assert stats["total_bytes_allocated"] == sum(sizes)
    names = collections.Counter(event["allocator"].upper() for event in events)
    assert stats["allocator_type_distribution"] == names
    assert stats["metadata"]["peak_memory"] == sum(size for _, size, _ in Live(recording.lines).peak())
    assert stats["metadata"]["pid"] == recording.lines[0][1]["pid"]


def test_stats_histogram(recording):
    sizes = [event["size"] for event in allocations(recording)]
    bins = recording.stats["allocation_size_histogram"]
    low, high = math.log(min(filter(None, sizes))), math.log(max(sizes))
    edges = [int(math.exp(low + (high - low) / 10 * (i + 1))) for i in range(9)]
    assert [entry["max_bytes"] + 1 for entry in bins[:-1]] == edges
    assert [entry["min_bytes"] for entry in bins] == [0, *edges]
    assert bins[-1]["max_bytes"] == max(sizes)
    for entry in bins:
        assert entry["count"] == sum(entry["min_bytes"] <= size <= entry["max_bytes"] for size in sizes)


def test_stats_locations(recording, tmp_path):
    if native_name(recording):
        pytest.skip("recorded with native stacks")
    size, count = collections.Counter(), collections.Counter()
    for event in allocations(recording):
        stack = recording.stacks[event["stack"]]
        location = "{}:{}:{}".format(*stack[0]) if stack else "<stack trace unavailable>"
        size[location] += event["size"]
        count[location] += 1
    out = tmp_path / "stats.json"
    recording.report("stats", "--json", "-n", "100000", "-o", out)
    stats = json.loads(out.read_text())
    assert {entry["location"]: entry["size"] for entry in stats["top_allocations_by_size"]} == size
    assert {entry["location"]: entry["count"] for entry in stats["top_allocations_by_count"]} == count
    modules = {entry["module"]: entry for entry in stats["top_modules_by_allocation_size"]}
    assert sum(entry["total_bytes"] for entry in modules.values()) == sum(size.values())
    assert sum(entry["num_allocations"] for entry in modules.values()) == sum(count.values())
    assert any(module.startswith("shop") for module in modules)
    assert "json" not in modules  # of the standard library
    for order in ("size", "count"):
        totals = [entry[order] for entry in stats[f"top_allocations_by_{order}"]]
        assert totals == sorted(totals, reverse=True)


def test_stats_metadata(recording):
    metadata = recording.stats["metadata"]
    assert set(metadata) == {
        "start_time", "end_time", "total_allocations", "total_frames", "peak_memory", "command_line", "pid",
        "main_thread_id", "python_allocator", "has_native_traces", "trace_python_allocators", "file_format",
    }  # fmt: skip
    start, end = (datetime.datetime.fromisoformat(metadata[key]) for key in ("start_time", "end_time"))
    assert start.tzinfo is not None
    assert datetime.timedelta() < end - start < datetime.timedelta(minutes=5)
    assert "shop.py" in metadata["command_line"]
    assert metadata["total_frames"] > 0


def test_stats_file_is_named_after_the_capture(memray, recording, tmp_path):
    shutil.copy(recording.path, tmp_path / "memray-foobar.bin")
    done = run([memray, "stats", "--json", tmp_path / "memray-foobar.bin"])
    assert done.returncode == 0, done.stderr
    expected = tmp_path / "memray-stats-foobar.bin.json"
    assert json.loads(expected.read_text())["total_num_allocations"] == recording.stats["total_num_allocations"]
    assert str(expected) in done.stdout
    again = run([memray, "stats", "--json", tmp_path / "memray-foobar.bin"])
    assert again.returncode == 1 and "exists" in again.stderr


def test_stats_text(recording):
    text = recording.report("stats", "-n", "3")
    headings = [line for line in text.splitlines() if line and not line.startswith(" ")]
    assert headings == [
        "Total allocations:",
        "Total memory allocated:",
        "Peak memory usage:",
        "Histogram of allocation sizes:",
        "Allocator type distribution:",
        "Top 3 allocating locations by size:",
        "Top 3 allocating locations by number of allocations:",
        *(line for line in headings if line.endswith(("modules by allocation size:", "modules by number of allocations:"))),
    ]


def test_parse_has_everything(recording):
    kinds = [kind for kind, _ in recording.lines]
    assert kinds[0] == "HEADER" and kinds[-1] == "TRAILER"
    first = {kind: kinds.index(kind) for kind in set(kinds)}
    for definition in ("PROCESS", "THREAD", "FRAME", "STACK", "SITE"):
        assert first[definition] < first["ALLOCATION"]
    numbers = [event["number"] for event in allocations(recording)]
    assert numbers == list(range(len(numbers)))
    times = [value["time_ns"] for kind, value in recording.lines if kind.endswith(("ALLOCATION", "SAMPLE"))]
    assert times == sorted(times)
    trailer = recording.trailer
    assert trailer["allocations"] == len(numbers)
    assert trailer["deallocations"] == kinds.count("DEALLOCATION")
    assert trailer["damage"] == ""
    sites = {value["site"]: value for kind, value in recording.lines if kind == "SITE"}
    for event in allocations(recording):
        site = sites[event["site"]]
        assert site["stack"] == event["stack"] and site["allocator"] == event["allocator"] and site["tid"] == event["tid"]
        assert site["size"] in ("variable", event["size"])


def test_parse_refuses_a_terminal(memray, recording):
    script = shutil.which("script")
    if script is None:
        pytest.skip("script(1) is not installed")
    done = run([script, "-qec", f"{memray} parse {recording.path}", "/dev/null"])
    assert done.returncode == 1
    assert "ALLOCATION number" not in done.stdout


def test_reports_of_a_program_that_does_nothing(memray, tmp_path):
    recording = record(memray, tmp_path, ["/bin/true"])
    assert run([memray, "summary", recording.path]).returncode == 0
    assert recording.stats["metadata"]["total_allocations"] >= 0
    assert recording.report("stats").startswith("Total allocations:")
