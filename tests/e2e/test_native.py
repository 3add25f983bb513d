"""`memray run --native`: native stacks in captures."""
import glob
import shutil
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


needs_libunwind = pytest.mark.skipif(not glob.glob("/usr/lib*/libunwind.so.8") + glob.glob("/usr/lib/*/libunwind.so.8"), reason="libunwind is not installed")


def native_stacks(recording):
    """For each allocation, in order: size and frames, innermost first, as (file, place in it)."""
    modules = {value["module"]: value for kind, value in recording.lines if kind == "MODULE"}
    places, stacks = {}, {0: ()}
    for kind, value in recording.lines:
        if kind == "FRAME" and value["kind"] == "native":
            module = modules.get(value.get("module"), {"path": "", "start": 0})
            places[value["frame"]] = (module["path"], value["address"] - module["start"])
        elif kind == "STACK":
            stacks[value["stack"]] = (places.get(value["frame"]), *stacks[value["parent"]])
    return [(event["size"], stacks[event["native_stack"]]) for kind, event in recording.events if kind == "ALLOCATION"]


SQL = """create table t(a, b); create index i on t(b);
with recursive c(x) as (select 1 union all select x + 1 from c where x < 3000) insert into t select x, hex(x) from c;
select count(*), max(length(g)) from (select group_concat(b) as g from t group by a % 10 order by g);"""


@needs_libunwind
@pytest.mark.skipif(not shutil.which("sqlite3"), reason="sqlite3 is not installed")
def test_libunwind_sees_the_same(memray, tmp_path):
    ours, theirs = (
        native_stacks(record(memray, tmp_path, ["sqlite3", ":memory:", SQL], f"--unwinders={unwinder}"))
        for unwinder in ("native", "libunwind")
    )
    assert len(ours) > 3000
    assert [size for size, _ in ours] == [size for size, _ in theirs]
    unknown = [i for i, (_, stack) in enumerate(theirs) if not stack]  # before libunwind could be loaded
    assert len(unknown) < 20 and unknown == list(range(len(unknown)))
    assert ours[len(unknown):] == theirs[len(unknown):]


@needs_libunwind
@pytest.mark.parametrize("hooks", ["plt", "preload"])
def test_libunwind_keeps_to_itself(memray, tmp_path, hooks):
    """What the program calls backtrace is libc's, and what libunwind allocates is not the program's."""
    (tmp_path / "script.py").write_text(
        "import ctypes, threading\n"
        "found = (ctypes.c_char_p * 4)()\n"
        "program = ctypes.CDLL(None)\n"
        "program.dladdr(program.backtrace, found)\n"
        "print(found[0].decode())\n"
        "for _ in range(20):\n"
        "    thread = threading.Thread(target=lambda: [bytearray(100_000) for _ in range(100)])\n"
        "    thread.start()\n"
        "    thread.join()\n"
    )
    counts = []
    for unwinder in ("native", "libunwind"):
        recording = record(memray, tmp_path, tmp_path / "script.py", f"--unwinders=python,{unwinder}", f"--hooks={hooks}")
        assert "libc.so" in recording.done.stdout
        counts.append(sorted(event["size"] for kind, event in recording.events if kind == "ALLOCATION" and event["size"] > 512))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("options", [["--native", "--unwinders=none"], ["--native", "--unwinders=fp"], ["--unwinders=native,fp"], ["--native", "--unwinders=libunwind"], ["--unwinders=fp,libunwind"]])
def test_contradictions_are_refused(memray, options):
    done = run([memray, "run", *options, "--", "/bin/true"])
    assert done.returncode == 2
    assert "native" in done.stderr
