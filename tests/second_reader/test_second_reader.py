"""Two readers, one document: they must agree on every capture."""

import collections
import json
import os
import pathlib
import subprocess
import sys

import pytest

READER = pathlib.Path(__file__).with_name("reader.py")
DUMP = os.environ.get("CAPTURE_DUMP")

pytestmark = pytest.mark.skipif(not DUMP, reason="CAPTURE_DUMP does not name the dump program")


def run(*command):
    return subprocess.run([str(c) for c in command], check=True, stdout=subprocess.PIPE).stdout.splitlines()


def compare(path):
    ours = [json.loads(line) for line in run(DUMP, "read", path)]
    theirs = [json.loads(line) for line in run(sys.executable, READER, path)]
    assert theirs[1:] == ours[1:]
    return ours[0], theirs[0]


@pytest.mark.parametrize(
    "seed, events, block_bytes, compress",
    [(1, 0, 1000, 1), (2, 1, 1000, 1), (3, 2000, 1, 1), (4, 20000, 3000, 1), (5, 20000, 3000, 0), (6, 30000, 1 << 20, 1)],
)
def test_both_readers_agree(tmp_path, seed, events, block_bytes, compress):
    path = tmp_path / "capture.bin"
    run(DUMP, "make", seed, events, block_bytes, compress, path)
    ours, theirs = compare(path)
    assert ours["finished"] and theirs["finished"]
    assert theirs["metadata"]["colour"] == "green"
    for key in ("end_ns", "command_line", "ending", "ending_code"):
        assert str(ours[key]) == theirs["metadata"].get(key, "0")


@pytest.mark.parametrize("kept", [0.1, 0.35, 0.6, 0.9])
def test_both_readers_agree_on_what_is_left_of_a_cut_file(tmp_path, kept):
    path = tmp_path / "capture.bin"
    run(DUMP, "make", 7, 10000, 2000, 1, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    ours, theirs = compare(path)
    assert not ours["finished"] and not theirs["finished"]


def added_up(lines):
    """What the events of a capture add up to, as a table of aggregates has it."""
    tables = {name: collections.defaultdict(lambda: [0, 0]) for name in ("peak", "live", "kept", "allocated")}
    live, sizes = {}, collections.Counter()  # live: number -> [site, size, pieces]
    counts = collections.Counter()
    site_table = [line["entry"] for line in lines if line.get("table") == "sites"]
    thread_table = [line["entry"] for line in lines if line.get("table") == "threads"]
    highest = held = end = peak_time = 0

    def add(name, blocks):
        for site, size, pieces in blocks:
            tables[name][site][0] += size
            tables[name][site][1] += pieces

    for event in (line for line in lines if "kind" in line):
        kind = event["kind"]
        counts[kind] += 1
        if kind == "allocation":
            live[event["number"]] = [event["site"], event["size"], 1]
            add("allocated", [live[event["number"]]])
            held += event["size"]
            if site_table[event["site"]]["size"] is None:
                sizes[event["size"]] += 1
        elif kind == "deallocation":
            held -= live.pop(event["number"])[1]
        elif kind == "partial":
            live[event["number"]][1] -= event["size"]
            live[event["number"]][2] = event["pieces"]
            held -= event["size"]
        elif kind in ("exec", "exit"):
            gone = [n for n, block in live.items() if thread_table[site_table[block[0]]["thread"]]["process"] == event["process"]]
            blocks = [live.pop(n) for n in gone]
            held -= sum(block[1] for block in blocks)
            if kind == "exit":
                add("kept", blocks)
        end = max(end, event["time"])
        if held >= highest:
            highest, peak_time = held, event["time"]
            tables["peak"].clear()
            add("peak", live.values())
    add("live", live.values())
    totals = {"events": sum(counts.values()), "allocations": counts["allocation"], "deallocations": counts["deallocation"]}
    totals |= {"unknown": counts["unknown"], "peak_bytes": highest, "peak_time": peak_time, "end": end, "restated": 0}
    totals["allocated_bytes"] = sum(size for size, _ in tables["allocated"].values())
    yield {"totals": totals}
    for name, table in tables.items():
        yield from ({name: site, "bytes": size, "count": count} for site, (size, count) in sorted(table.items()))
    yield from ({"size": size, "count": count} for size, count in sorted(sizes.items()))


@pytest.mark.parametrize("seed, events", [(1, 0), (2, 1), (8, 300), (9, 3000)])
def test_aggregates_are_what_the_events_add_up_to(tmp_path, seed, events):
    full, totals = tmp_path / "full.bin", tmp_path / "totals.bin"
    run(DUMP, "make", seed, events, 3000, 1, full)
    run(DUMP, "aggregate", seed, events, totals)
    ours, theirs = compare(totals)
    assert ours["finished"] and theirs["finished"] and theirs["metadata"]["aggregated"] == "1"
    tables = [json.loads(line) for line in run(sys.executable, READER, totals)]
    got = [line["entry"] for line in tables if line.get("table") == "aggregates"]
    assert got == list(added_up([json.loads(line) for line in run(sys.executable, READER, full)]))
