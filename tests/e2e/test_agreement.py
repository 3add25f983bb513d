"""Every number in every report is that of every other report, and that of a computation in Python from `memray parse`."""
import collections
import csv
import gzip
import io
import json
import re

import pytest

import page_data
import profile_proto
from model import Model
from recording import record, run

PROGRAM = '''
import json
import mmap
import threading
import time

kept = []

def grow(n):
    return [bytearray(1000 + 10 * i) for i in range(n)]

def briefly(n):
    for i in range(n):
        bytearray(20_000 + i)
        grow(3)

def recurse(depth):
    return grow(20) if depth == 0 else [recurse(depth - 1), bytearray(5000)]

def in_thread(n):
    briefly(20)
    kept.append(bytearray(300_000 + n))
    time.sleep(0.03)

def of_many_sizes(n):
    for i in range(n):
        kept.append(bytearray(700 + 43 * i))
        bytearray(600 + 31 * i)

kept.append(recurse(5))
time.sleep(0.05)
of_many_sizes(500)
briefly(50)
area = mmap.mmap(-1, 1 << 20)
area.close()
threads = [threading.Thread(target=in_thread, args=(n,)) for n in range(3)]
for thread in threads:
    thread.start()
kept.append(json.loads(json.dumps([{"key": "x" * 600, "n": i} for i in range(200)])))
time.sleep(0.05)
for thread in threads:
    thread.join()
del kept[0]
kept.append(bytearray(7_000_000))
'''

# Options, and the same by the model.
VIEWS = {
    "peak": ([], lambda model: model.peak()),
    "leaks": (["--leaks"], lambda model: model.leaks()),
    "temporary": (["--temporary-allocations"], lambda model: model.temporary(1)),
    "temporary-8": (["--temporary-allocation-threshold", "8"], lambda model: model.temporary(8)),
    "peak-window": (["--from", "{}", "--to", "{}"], lambda model: model.peak(*window(model))),
    "leaks-window": (["--leaks", "--from", "{}", "--to", "{}"], lambda model: model.leaks(*window(model))),
}


def window(model):
    """Two moments in the middle of what happened."""
    times = [event["time_ns"] for _, event in model.events]
    return times[len(times) // 4], times[len(times) * 3 // 4]


@pytest.fixture(scope="module")
def recording(memray, tmp_path_factory):
    folder = tmp_path_factory.mktemp("agreement")
    script = folder / "shop.py"
    script.write_text(PROGRAM)
    recording = record(memray, folder, script, "--unwinders=python")
    assert recording.done.returncode == 0, recording.done.stderr
    return recording


@pytest.fixture(scope="module")
def model(recording):
    return Model(recording.lines)


def shown(size):
    units = ["B", "kB", "MB", "GB"]
    power = 0 if size < 1000 else min((len(str(size)) - 1) // 3, 3)
    return f"{size}B" if power == 0 else f"{size / 1000**power:.3f}{units[power]}"


class View:
    """One view of the recording, by the model, with what reports say about it."""

    def __init__(self, recording, model, name):
        options, truth = VIEWS[name]
        moments = iter(window(model))
        self.recording, self.name = recording, name
        self.options = [f"{next(moments)}ns" if option == "{}" else option for option in options]
        self.groups = truth(model)
        self.bytes = sum(size for size, _ in self.groups.values())
        self.count = sum(count for _, count in self.groups.values())
        assert self.count > 0, "the program does not show what this is about"

    def transform(self, form, *options):
        return self.recording.report("transform", form, "-o", "-", *self.options, *options)

    def page(self, report):
        path = self.recording.path.with_name(f"{report}.html")
        self.recording.report(report, "-f", "-o", path, *self.options)
        return path.read_text()

    def by(self, key):
        """{key(stack, thread, allocator): (bytes, count)}; a stack is ((function, file, line), ...), innermost first."""
        sums = collections.defaultdict(lambda: [0, 0])
        for (stack, native, thread, allocator), (size, count) in self.groups.items():
            assert native == 0
            sums[key(self.recording.stacks[stack], thread, allocator)][0] += size
            sums[key(self.recording.stacks[stack], thread, allocator)][1] += count
        return {name: tuple(sum_) for name, sum_ in sums.items()}


@pytest.fixture(scope="module", params=VIEWS)
def view(request, recording, model):
    return View(recording, model, request.param)


def test_summary(view):
    summary = view.recording.summary(*view.options)
    assert (summary["total_bytes"], summary["num_allocations"]) == (view.bytes, view.count)
    own, total, count = collections.Counter(), collections.Counter(), collections.Counter()
    for stack, (size, number) in view.by(lambda stack, thread, allocator: stack).items():
        functions = [frame[:2] for frame in stack] or [("", "")]
        own[functions[0]] += size
        for function in set(functions):
            total[function] += size
            count[function] += number
    reported = {
        (row["function"], row["file"]): (row["own_bytes"], row["total_bytes"], row["num_allocations"])
        for row in summary["locations"]
    }
    assert reported == {function: (own[function], total[function], count[function]) for function in count}


def thread_label(recording):
    labels = {value["tid"]: (value["number"], value["name"]) for kind, value in recording.lines if kind == "THREAD"}

    def label(thread):
        number, name = labels[thread]
        return f"Thread {number} ({name})" if name else f"Thread {number}"

    return label


@pytest.mark.parametrize("split", [False, True])
def test_csv(view, split):
    label = thread_label(view.recording)
    rows = csv.DictReader(io.StringIO(view.transform("csv", *(["--split-threads"] if split else []))))
    reported = collections.defaultdict(lambda: [0, 0])
    for row in rows:
        stack = tuple(tuple(frame.split(";")) for frame in row["stack_trace"].split("|")) if row["stack_trace"] else ()
        key = (stack, int(row["tid"]), row["thread_name"], row["allocator"])
        assert key not in reported
        reported[key] = (int(row["size"]), int(row["num_allocations"]))

    def key(stack, thread, allocator):
        frames = tuple((function, file, str(line)) for function, file, line in stack)
        return (frames, thread, label(thread), allocator.upper()) if split else (frames, -1, "merged thread", allocator.upper())

    assert reported == view.by(key)


def test_gprof2dot(view):
    data = json.loads(view.transform("gprof2dot"))
    assert data["version"] == 0 and data["costs"] == [{"description": "Memory", "unit": "bytes"}]
    names = [(function["name"], function["module"]) for function in data["functions"]]
    assert len(set(names)) == len(names)
    reported = collections.Counter()
    for event in data["events"]:
        reported[tuple(names[i] for i in event["callchain"])] += event["cost"][0]
    expected = collections.Counter()
    for stack, (size, _) in view.by(lambda stack, thread, allocator: stack).items():
        if stack:
            expected[tuple(frame[:2] for frame in stack)] += size
    assert reported == expected


def test_speedscope(view):
    data = json.loads(view.transform("speedscope"))
    assert data["exporter"].startswith("memray@") and data["activeProfileIndex"] == 0
    frames = [(frame["name"], frame.get("file", ""), frame.get("line", 0)) for frame in data["shared"]["frames"]]
    expected = view.by(lambda stack, thread, allocator: stack)
    for profile, measure in zip(data["profiles"], (0, 1)):
        reported = {
            tuple(frames[i] for i in reversed(sample)): weight for sample, weight in zip(profile["samples"], profile["weights"])
        }
        assert len(reported) == len(profile["samples"]) == len(profile["weights"])
        assert reported == {stack: sums[measure] for stack, sums in expected.items() if sums[measure] > 0}
        assert profile["startValue"] == 0 and profile["endValue"] == (view.bytes, view.count)[measure]
    assert [(profile["name"], profile["unit"]) for profile in data["profiles"]] == [("Memory", "bytes"), ("Allocations", "none")]


@pytest.mark.parametrize("metric", ["bytes", "allocations"])
def test_folded(view, metric):
    reported = dict(line.rsplit(" ", 1) for line in view.transform("folded", "--metric", metric).splitlines())

    def key(stack, thread, allocator):
        return ";".join(f"{function} ({file}:{line})" for function, file, line in reversed(stack)) or "<no stack>"

    assert {stack: int(number) for stack, number in reported.items()} == {
        stack: sums[metric == "allocations"] for stack, sums in view.by(key).items()
    }


def test_pprof(view, tmp_path):
    path = tmp_path / "profile.pb.gz"
    view.recording.report("transform", "pprof", "-o", path, *view.options)
    profile = profile_proto.read(gzip.decompress(path.read_bytes()))
    assert [unit for _, unit in profile.types] == ["count", "bytes"]
    reported = collections.defaultdict(lambda: [0, 0])
    for stack, (count, size), labels in profile.samples:
        reported[stack, labels["allocator"]][0] += size
        reported[stack, labels["allocator"]][1] += count

    def key(stack, thread, allocator):
        return tuple((re.sub("^<(.*)>$", r"[\1]", function), file, line) for function, file, line in stack), allocator

    assert {key: tuple(sums) for key, sums in reported.items()} == view.by(key)


def test_openmetrics(view):
    text = view.transform("openmetrics", "-n", "10000")
    assert text.endswith("# EOF\n")
    values = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = re.fullmatch(r"(\w+)\{(.*)\} (\d+)", line).groups()
            values[name, tuple(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels))[1:]] = int(value)
    (view_label,) = {value for name, labels in values for key, value in labels if key == "view"}
    assert view_label == view.name.split("-")[0]
    assert values["memray_snapshot_bytes", (("view", view_label),)] == view.bytes
    assert values["memray_snapshot_allocations", (("view", view_label),)] == view.count
    assert values["memray_peak_bytes", ()] == view.recording.trailer["peak_bytes"]
    assert values["memray_allocations_total", ()] == view.recording.trailer["allocations"]
    own = sum(value for (name, _), value in values.items() if name == "memray_function_own_bytes")
    assert own == view.bytes


def totals_by_path(view):
    """{path of frames, outermost first: (bytes, count) of all stacks that begin so}."""
    sums = collections.defaultdict(lambda: [0, 0])
    for stack, (size, count) in view.by(lambda stack, thread, allocator: stack).items():
        path = tuple(reversed(stack))
        for length in range(len(path) + 1):
            sums[path[:length]][0] += size
            sums[path[:length]][1] += count
    return {path: tuple(sum_) for path, sum_ in sums.items()}


def test_flamegraph(view):
    """Every node; what is not there is too small to be seen."""
    data = page_data.data_of(view.page("flamegraph"))
    (root, _), *_ = nodes = page_data.paths_of(data)
    reported = collections.defaultdict(lambda: [0, 0])
    for path, (size, count) in nodes:
        for length in range(1, len(path) + 1):
            reported[path[1:length]][0] += size
            reported[path[1:length]][1] += count
    assert all(path[0] == root[0] for path, _ in nodes)
    expected = totals_by_path(view)
    small = view.bytes * data["tree"]["limit"] / 1e6 / 1e6
    hidden = {path for path in expected if path not in reported}
    assert {path: tuple(sum_) for path, sum_ in reported.items()} == {
        path: sum_ for path, sum_ in expected.items() if path not in hidden
    }
    assert all(expected[path][0] <= small for path in hidden)


def test_table(view):
    data = page_data.data_of(view.page("table"))
    rows, frames = data["rows"], page_data.frames_of(data)
    columns = zip(*(page_data.unpack(rows[name]) for name in ("frame", "allocator", "bytes", "count")))
    reported = collections.defaultdict(lambda: [0, 0])
    for frame, allocator, size, count in columns:
        reported[frames[frame], data["allocators"][allocator]][0] += size
        reported[frames[frame], data["allocators"][allocator]][1] += count

    def key(stack, thread, allocator):
        return stack[0] if stack else ("<root>", "", 0), allocator

    assert data["merged"] == 0
    assert {key: tuple(sums) for key, sums in reported.items()} == view.by(key)


def test_tree(view):
    data = json.loads(view.recording.report("tree", "--json", "-b", "1000000", *view.options))
    assert (data["total_bytes"], data["num_allocations"], data["smaller_stacks"]) == (view.bytes, view.count, 0)
    paths, reported = {}, {}
    for node in data["nodes"]:
        frame = node["function"], node["file"], node["line"]
        paths[node["id"]] = () if node["parent"] is None else (*paths[node["parent"]], frame)
        reported[paths[node["id"]]] = node["bytes"], node["num_allocations"]
    assert reported == totals_by_path(view)


def test_diff(view, memray):
    """Against itself nothing changed; by stack and by every property the sums are those of the view."""
    for by in ("stack", "function", "file", "module", "library", "thread", "process", "allocator", "size"):
        done = run([memray, "diff", "--json", "--by", by, *view.options, view.recording.path, view.recording.path])
        assert done.returncode == 0, done.stderr
        data = json.loads(done.stdout)
        assert data["before"]["total_bytes"] == data["after"]["total_bytes"] == view.bytes
        assert all(row["bytes_before"] == row["bytes_after"] for row in data["rows"])
        assert sum(row["bytes_after"] for row in data["rows"]) == view.bytes
        assert sum(row["allocations_after"] for row in data["rows"]) == view.count


def test_diff_by_thread(view, memray):
    label = thread_label(view.recording)
    done = run([memray, "diff", "--json", "--by", "thread", *view.options, view.recording.path, view.recording.path])
    rows = {row["name"]: (row["bytes_after"], row["allocations_after"]) for row in json.loads(done.stdout)["rows"]}
    assert rows == view.by(lambda stack, thread, allocator: label(thread))


def test_diff_by_size(view, memray):
    """Places that allocate many sizes included."""

    def name(event):
        bits = event["size"].bit_length()
        return f"{event['size']}B" if bits < 2 else f"{shown(2 ** (bits - 1))} to {shown(2**bits - 1)}"

    assert any(value["size"] == "variable" for kind, value in view.recording.lines if kind == "SITE")
    expected = VIEWS[view.name][1](Model(view.recording.lines, key=name))
    done = run([memray, "diff", "--json", "--by", "size", *view.options, view.recording.path, view.recording.path])
    rows = {row["name"]: [row["bytes_after"], row["allocations_after"]] for row in json.loads(done.stdout)["rows"]}
    assert rows == expected


def test_diff_of_moments(recording, model, memray):
    first, second = window(model)
    done = run([memray, "diff", "--json", "--before", f"{first}ns", "--after", f"{second}ns", recording.path])
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    for side, moment in (("before", first), ("after", second)):
        live = {}
        for _, _, live, _, _ in model.replay(moment):
            pass
        assert data[side]["total_bytes"] == sum(size for size, _ in live.values()) > 0
        assert data[side]["num_allocations"] == len(live)
    changes = sum(row["bytes_after"] - row["bytes_before"] for row in data["rows"])
    assert changes == data["after"]["total_bytes"] - data["before"]["total_bytes"]


def test_check(recording, model, memray):
    limits = ["--max-peak", "0", "--max-leaks", "0", "--max-allocations", "0"]
    done = run([memray, "check", "--json", *limits, recording.path])
    assert done.returncode == 1
    values = {check["name"]: check["value"] for check in json.loads(done.stdout)["checks"]}
    assert values == {
        "complete": None,
        "max-peak": sum(size for size, _ in model.peak().values()),
        "max-leaks": sum(size for size, _ in model.leaks().values()),
        "max-allocations": len(model.made),
    }


def test_stats(recording, model):
    stats = recording.stats
    assert stats["total_num_allocations"] == len(model.made) == recording.trailer["allocations"]
    assert stats["total_bytes_allocated"] == sum(event["size"] for event in model.made.values())
    assert stats["metadata"]["peak_memory"] == recording.trailer["peak_bytes"]
    assert stats["metadata"]["peak_memory"] == sum(size for size, _ in model.peak().values())


def test_perfetto(recording, model):
    events = json.loads(recording.report("transform", "perfetto", "-o", "-", "-n", "100"))["traceEvents"]
    counters = collections.defaultdict(list)
    for event in events:
        if event["ph"] == "C":
            counters[event["name"]].append((event["ts"], event["args"]["bytes"]))
    assert counters["Heap"] == [(sample["time_ns"] / 1000, sample["heap"]) for sample in model.samples]
    assert [value for _, value in counters["Resident memory"]] == [sample["rss"] for sample in model.samples]
    highest = counters.pop("Highest heap")
    assert max(value for _, value in highest) == recording.trailer["peak_bytes"]
    parts = collections.Counter()
    for name, curve in counters.items():
        if name.startswith("Heap of "):
            parts.update(dict(curve))
    assert parts == collections.Counter(dict(highest))


def test_text_says_the_same(view):
    """The numbers that people read are those of the JSON."""
    head = view.recording.report("summary", *view.options).splitlines()[0]
    assert f" {shown(view.bytes)} in {view.count} allocation" in head
