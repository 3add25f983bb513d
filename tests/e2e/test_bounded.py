"""memray run --max-capture-size: the file stays small, and what it says of the whole recording stays true."""
import contextlib
import os
import signal
import time

import pytest

from recording import Recording, record, run
from test_nothing_lost import Counted

LIMIT = 300_000
COUNT = 300_000


def test_totals_are_of_the_whole_recording(memray, programs, tmp_path):
    program = Counted(memray, programs, tmp_path, "exit", f"--max-capture-size={LIMIT}", count=COUNT)
    largest = 0
    while program.process.poll() is None:
        with contextlib.suppress(FileNotFoundError):  # renamed meanwhile
            largest = max(largest, sum(file.stat().st_size for file in tmp_path.glob("capture*")))
        time.sleep(0.005)
    assert program.end() == 3
    assert program.check() == program.count[0] == COUNT
    assert largest <= LIMIT and program.path.stat().st_size <= LIMIT
    assert [path.name for path in tmp_path.glob("capture.bin*")] == ["capture.bin"]

    recording = Recording(str(memray), program.path, None)
    assert recording.trailer["events"] == 2 * COUNT - 1000 + 2  # one mapping, and the end of the process
    numbers = [event["number"] for kind, event in recording.events if kind == "ALLOCATION"]
    assert 1000 < len(numbers) < COUNT // 2
    assert numbers == list(range(len(numbers)))
    assert recording.replay().live_bytes == recording.summary("--leaks")["total_bytes"]
    for command in (["summary"], ["stats"], ["flamegraph", "-f", "-o", tmp_path / "graph.html"]):
        done = run([memray, *command, program.path])
        assert done.returncode == 0
        assert "was added up, not kept one by one" in done.stderr


def test_reports_are_those_of_a_full_capture(memray, programs, tmp_path):
    (tmp_path / "full").mkdir()
    for name in ("allocators", "mappings"):
        full = record(memray, tmp_path / "full", [programs / name])
        bounded = record(memray, tmp_path, [programs / name], "--max-capture-size=100kB")
        for options in ([], ["--leaks"]):
            assert bounded.summary(*options)["locations"] == full.summary(*options)["locations"]
            assert bounded.summary(*options)["total_bytes"] == full.summary(*options)["total_bytes"]
        same = [{key: value for key, value in r.stats.items() if key != "metadata"} for r in (bounded, full)]
        assert same[0] == same[1]


def test_a_peak_that_is_long_ago(memray, tmp_path):
    script = tmp_path / "peak.py"
    script.write_text(
        "def early():\n    return [bytearray(100_000) for _ in range(300)]\n\n"
        "def late():\n    for i in range(300_000):\n        kept[i % 50] = bytearray(600 + i % 1000)\n\n"
        "kept = [None] * 50\nearly()\nlate()\n"
    )
    recording = record(memray, tmp_path, script, f"--max-capture-size={LIMIT}")
    assert recording.path.stat().st_size <= LIMIT
    rows = {row["function"]: row for row in recording.summary()["locations"] if row["file"] == str(script)}
    assert rows["early"]["num_allocations"] >= 300 and rows["early"]["total_bytes"] > 30_000_000
    assert "late" not in rows
    made = [event["size"] for kind, event in recording.events if kind == "ALLOCATION"]
    assert len(made) < 300_000  # the early ones are sums by now


def test_killed_with_everything(memray, programs, tmp_path):
    program = Counted(memray, programs, tmp_path, "forever", f"--max-capture-size={LIMIT}", start_new_session=True)
    program.wait_for(100_000)
    saved = program.count[0]
    program.wait_until_saved(saved)
    os.killpg(program.process.pid, signal.SIGKILL)
    program.end()
    program.check(saved)


@pytest.mark.parametrize("options", [["--aggregate"], ["--sink=null"]], ids=" ".join)
def test_other_sinks_have_no_limit(memray, programs, tmp_path, options):
    done = run([memray, "run", "--max-capture-size=1MB", *options, "--", programs / "deep"], cwd=tmp_path)
    assert done.returncode == 2 and "--max-capture-size" in done.stderr


@pytest.mark.parametrize("size", ["0", "1kB", "lots", "-5MB"])
def test_sizes_that_are_none(memray, programs, tmp_path, size):
    done = run([memray, "run", f"--max-capture-size={size}", "--", programs / "deep"], cwd=tmp_path)
    assert done.returncode == 2 and "--max-capture-size" in done.stderr
