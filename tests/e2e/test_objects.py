"""`memray run --track-object-lifetimes` and `memray objects`. Needs an interpreter with a reference tracer."""
import json

import pytest

from recording import interpreters, record, run


def has_tracer(version):
    return tuple(map(int, version.split("."))) >= (3, 13, 3)


TRACING = [version for version in interpreters() if has_tracer(version)]
OTHERS = [version for version in interpreters() if not has_tracer(version)]

SCRIPT = """
import gc, sys

class Kept: pass
class Dropped: pass
class Moved: pass

def keep(n):
    return [Kept() for _ in range(n)]

def drop(n):
    for _ in range(n):
        Dropped()

def move(n):
    moved = [Moved() for _ in range(n)]
    del moved[::2]
    return moved

gc.disable()
kept = keep(100)
drop(1000)
moved = move(50)
"""


@pytest.mark.parametrize("version", TRACING)
def test_objects_are_found_by_type_and_stack(memray, tmp_path, version):
    (tmp_path / "script.py").write_text(SCRIPT)
    recording = record(memray, tmp_path, tmp_path / "script.py", "--track-object-lifetimes", "--python", interpreters()[version])
    assert recording.done.stderr == ""
    report = json.loads(recording.report("objects", "--json"))
    types = {entry["type"]: entry for entry in report["types"] if entry["type"] in ("Kept", "Dropped", "Moved")}
    assert {name: (entry["created"], entry["surviving"]) for name, entry in types.items()} == {
        "Kept": (100, 100),
        "Dropped": (1000, 0),
        "Moved": (50, 25),
    }
    made_in = {
        name: {frame["function"] for stack in entry["stacks"] for frame in stack["stack"]} for name, entry in types.items()
    }
    assert all({"<module>", function} <= made_in[name] for name, function in (("Kept", "keep"), ("Dropped", "drop"), ("Moved", "move")))

    # The same from the raw events.
    live, counts = {}, {}
    for kind, value in recording.lines:
        if kind == "OBJECT_CREATED":
            live[value["number"]] = value
            counts[value["type"]] = counts.get(value["type"], 0) + 1
        elif kind == "OBJECT_DESTROYED":
            assert live.pop(value["number"])["address"] == value["address"]
    assert len(live) == report["surviving"] and sum(counts.values()) == report["created"]
    assert counts["Dropped"] == 1000


@pytest.mark.parametrize("version", TRACING[:1])
def test_nothing_is_said_of_objects_unless_asked(memray, tmp_path, version):
    (tmp_path / "script.py").write_text(SCRIPT)
    recording = record(memray, tmp_path, tmp_path / "script.py", "--python", interpreters()[version])
    assert not [kind for kind, _ in recording.lines if kind.startswith("OBJECT")]


@pytest.mark.parametrize("version", OTHERS)
def test_interpreters_without_a_tracer_are_recorded_without_objects(memray, tmp_path, version):
    (tmp_path / "script.py").write_text(SCRIPT)
    recording = record(memray, tmp_path, tmp_path / "script.py", "--track-object-lifetimes", "--python", interpreters()[version])
    assert "3.13.3" in recording.done.stderr
    assert recording.replay().allocations > 0
    done = run([memray, "objects", recording.path])
    assert done.returncode == 1 and "--track-object-lifetimes" in done.stderr


@pytest.mark.parametrize("option", ["--aggregate", "--startup"])
def test_contradictions_are_refused(memray, tmp_path, option):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = run([memray, "run", "--track-object-lifetimes", option, tmp_path / "script.py"])
    assert done.returncode == 2 and "--track-object-lifetimes" in done.stderr
