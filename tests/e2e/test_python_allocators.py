"""--trace-python-allocators: every request to Python's own allocators, once, whoever else has a hand in them.

The truth is the ledger of tests/programs/pymem.c, a library that the recorded scripts call.
"""
import collections
import os

import pytest

from recording import interpreters, record

UNIT = 10007
ALL_PYTHONS = [pytest.param(path, id=version) for version, path in interpreters().items()]
every_python = pytest.mark.parametrize("python", ALL_PYTHONS)
oldest_and_newest = pytest.mark.parametrize("python", sorted(ALL_PYTHONS, key=lambda p: [int(n) for n in p.id.split(".")])[:: max(1, len(ALL_PYTHONS) - 1)])

USE = """
import ctypes, os, sys
lib = ctypes.PyDLL(os.environ["PYMEM"])
lib.pymem_counted.restype = ctypes.c_ulonglong
use_in_thread = ctypes.CDLL(os.environ["PYMEM"]).pymem_use_in_thread  # without the GIL, which tracemalloc wants there
def use():
    assert lib.pymem_use() == 0
"""

KINDS = {"pymalloc_malloc": "PYMALLOC_MALLOC", "pymalloc_calloc": "PYMALLOC_CALLOC", "pymalloc_realloc": "PYMALLOC_REALLOC"}


def of_the_script(event):
    return event["size"] and event["size"] % UNIT == 0


@pytest.fixture
def trace(memray, programs, tmp_path):
    """Records a script's requests to Python's allocators."""

    def traced(python, script, *options, site=None, **environment):
        (tmp_path / "script.py").write_text(USE + script)
        if site:
            (tmp_path / "sitecustomize.py").write_text(USE + site)
            environment["PYTHONPATH"] = str(tmp_path)
        environment = {**os.environ, "PYMEM": str(programs / "pymem.so"), **environment}
        recording = record(
            memray, tmp_path, tmp_path / "script.py", "--python", python, "--trace-python-allocators", *options, env=environment, timeout=60
        )
        assert recording.done.returncode == 0, recording.done.stderr
        return recording

    return traced


def compare(recording, times=1):
    """What the script did, `times` in all."""
    truth, own = recording.truth, recording.replay(of_the_script)
    assert own.allocations == truth["allocations"] * times
    assert own.frees == truth["frees"] * times
    assert own.bytes == truth["bytes"] * times
    if times == 1:
        assert own.peak_bytes == truth["peak"]
        assert own.live_bytes == truth["leaked"]
    kinds = collections.Counter(
        KINDS[event["allocator"]] for kind, event in recording.events if kind == "ALLOCATION" and of_the_script(event)
    )
    assert kinds == {kind: count * times for kind, count in truth["by_allocator"].items()}


def check_blocks_are_disjoint(recording):
    """A request that was recorded twice, or an arena beside the objects in it, would be two blocks at one place."""
    live, ends = {}, {}
    for kind, event in recording.events:
        if kind == "ALLOCATION":
            live[event["number"]] = (event["address"], event["size"])
            assert event["address"] not in ends, event
            ends[event["address"]] = event["size"]
        elif kind == "DEALLOCATION" and event["number"] in live:
            del ends[live.pop(event["number"])[0]]
    blocks = sorted(ends.items())
    for (start, size), (following, _) in zip(blocks, blocks[1:]):
        assert start + size <= following


SETTINGS = {
    "default": {},
    "malloc": {"PYTHONMALLOC": "malloc"},
    "debug": {"PYTHONMALLOC": "debug"},
    "malloc_debug": {"PYTHONMALLOC": "malloc_debug"},
    "mimalloc": {"PYTHONMALLOC": "mimalloc"},
    "tracemalloc": {"PYTHONTRACEMALLOC": "3"},
}
NAMES = {
    "default": "pymalloc",
    "malloc": "malloc",
    "debug": "pymalloc debug",
    "malloc_debug": "malloc debug",
    "mimalloc": "mimalloc",
    "tracemalloc": "unknown",
}


@every_python
@pytest.mark.parametrize("setting", SETTINGS)
def test_every_request_once(trace, python, setting):
    version = tuple(int(part) for part in {path: v for v, path in interpreters().items()}[python].split("."))
    if setting == "mimalloc" and version < (3, 13):
        pytest.skip("this Python has no mimalloc")
    recording = trace(python, "use(); assert use_in_thread() == 0; lib.pymem_print()", **SETTINGS[setting])
    compare(recording)
    check_blocks_are_disjoint(recording)
    metadata = recording.stats["metadata"]
    assert metadata["trace_python_allocators"] is True
    assert metadata["python_allocator"] == NAMES[setting]


@every_python
@pytest.mark.parametrize("hooks", ["plt", "preload"])
def test_objects_have_the_stacks_that_made_them(trace, python, hooks):
    script = """
class Small:
    __slots__ = ("a", "b", "c")
def make():
    return [Small() for _ in range(1000)]
kept = make()
"""
    recording = trace(python, script, f"--hooks={hooks}")
    # An object of two words and three slots; before it the collector's two words, where objects with slots have them.
    made = [
        recording.stacks[event["stack"]]
        for kind, event in recording.events
        if kind == "ALLOCATION" and event["allocator"] in ("pymalloc_malloc", "pymalloc_calloc") and event["size"] in (40, 56)
    ]
    made = [stack for stack in made if any(frame[0] == "make" for frame in stack)]
    assert 1000 <= len(made) < 1100
    assert {stack[-1][2] for stack in made} == {made[0][-1][2]}


@every_python
def test_without_the_option_they_are_not_recorded(memray, tmp_path, python):
    (tmp_path / "script.py").write_text("kept = [object() for _ in range(1000)]\n")
    recording = record(memray, tmp_path, tmp_path / "script.py", "--python", python)
    assert not [event for kind, event in recording.events if event.get("allocator", "").startswith("pymalloc")]
    assert recording.stats["metadata"]["trace_python_allocators"] is False


LAYERS = {
    # Where the other allocator is put on top and taken off: before recording starts (site), in the script.
    "before": ("lib.pymem_push()", "use(); lib.pymem_print()"),
    "before, removed while recording": ("lib.pymem_push()", "use(); lib.pymem_pop(); lib.pymem_print()"),
    "after": (None, "lib.pymem_push(); use(); lib.pymem_print()"),
    "after, removed": (None, "lib.pymem_push(); use(); lib.pymem_pop(); lib.pymem_print()"),
    "both sides": ("lib.pymem_push()", "import tracemalloc; tracemalloc.start(); use(); tracemalloc.stop(); lib.pymem_print()"),
}


@oldest_and_newest
@pytest.mark.parametrize("order", LAYERS)
def test_allocators_of_others(trace, python, order):
    site, script = LAYERS[order]
    recording = trace(python, script + "; sys.stderr.write('counted %d' % lib.pymem_counted())", site=site)
    compare(recording)
    check_blocks_are_disjoint(recording)
    assert f"counted {recording.truth['allocations']}" in recording.done.stderr


@every_python
def test_python_gets_its_allocators_back(trace, python):
    """atexit calls in reverse: what was registered before recording is called when recording is over."""
    site = """
import atexit
words = ctypes.c_void_p * 5
def functions():
    found = [words() for _ in range(3)]
    for domain in range(3): lib.pymem_functions(domain, found[domain])
    return [list(f) for f in found]
before = functions()
def check():
    with open(os.path.join(os.path.dirname(os.environ["PYTHONPATH"] + "/x"), "restored"), "w") as out:
        out.write(str(functions() == before))
atexit.register(check)
sys.modules["site_functions"] = functions
sys.before = before
"""
    script = """
during = sys.modules["site_functions"]()
for domain in range(3):
    assert during[domain][0] == sys.before[domain][0]
    assert all(now != then for now, then in zip(during[domain][1:], sys.before[domain][1:]))
"""
    recording = trace(python, script, site=site)
    assert (recording.path.parent / "restored").read_text() == "True"


SUBINTERPRETERS = """
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters
for round in range(2):
    interpreter = interpreters.create()
    interpreters.run_string(interpreter, "kept = [bytearray(%d) for _ in range(100)]")
    interpreters.destroy(interpreter)
""" % (7 * UNIT - 1)


@every_python
def test_subinterpreters(trace, python):
    recording = trace(python, SUBINTERPRETERS)
    own = recording.replay(lambda event: event["size"] == 7 * UNIT)
    assert (own.allocations, own.frees) == (200, 200)
    check_blocks_are_disjoint(recording)


FORKS = """
use()
pid = os.fork()
use()
if pid == 0:
    os._exit(0)
os.waitpid(pid, 0)
lib.pymem_print()
"""


def test_forks(trace):
    python = next(iter(interpreters().values()))
    compare(trace(python, FORKS))


def test_followed_forks(trace):
    """The parent uses its allocators twice, the child once more."""
    python = next(iter(interpreters().values()))
    recording = trace(python, FORKS, "--follow-fork")
    assert 2 * recording.replay(of_the_script).allocations == 3 * recording.truth["allocations"]
