"""`memray run --native`: native stacks in captures."""
import sys

import pytest

from recording import record, run


@pytest.mark.parametrize("hooks", ["plt", "preload"])
@pytest.mark.parametrize("unwinder", [["--native"], ["--unwinders=native"]])
def test_one_frame_more_at_each_level_of_a_recursion(memray, programs, tmp_path, hooks, unwinder):
    recording = record(memray, tmp_path, [programs / "deep"], f"--hooks={hooks}", *unwinder)
    assert recording.lines[0][1]["native_traces"] == 1
    depth = {}
    for kind, value in recording.lines:
        if kind == "STACK":
            depth[value["stack"]] = value["depth"]
    depths = [depth[event["native_stack"]] for kind, event in recording.events if kind == "ALLOCATION"]
    assert len(depths) == 20_000
    assert depths == list(range(depths[0], depths[0] + 20_000))


def test_python_and_native_stacks_of_one_allocation(memray, tmp_path):
    (tmp_path / "script.py").write_text("def big():\n    return bytearray(3_000_000)\n\nblock = big()\n")
    recording = record(memray, tmp_path, tmp_path / "script.py", "--native", "--python", sys.executable)
    (event,) = [event for kind, event in recording.events if kind == "ALLOCATION" and 3_000_000 <= event["size"] < 3_000_100]
    stack = recording.stacks[event["stack"]]
    assert [frame[0] for frame in stack] == ["big", "<module>"]
    assert event["native_stack"] != 0


def test_without_native_there_are_no_native_stacks(memray, programs, tmp_path):
    recording = record(memray, tmp_path, [programs / "deep"])
    assert recording.lines[0][1]["native_traces"] == 0
    assert all(event["native_stack"] == 0 for kind, event in recording.events if kind == "ALLOCATION")


@pytest.mark.parametrize("options", [["--native", "--unwinders=none"], ["--native", "--unwinders=fp"], ["--unwinders=native,fp"]])
def test_contradictions_are_refused(memray, options):
    done = run([memray, "run", *options, "--", "/bin/true"])
    assert done.returncode == 2
    assert "native" in done.stderr
