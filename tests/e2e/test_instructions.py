"""How many instructions recording adds to an allocation and its free, and how many an event takes to collect, by callgrind: numbers that do not
depend on the machine's mood.

What recording adds: a program runs N pairs and then 2 N; the difference is theirs alone. What they cost without memray is subtracted.
"""
import os
import re
import shutil

import pytest

from recording import interpreters, run

pytestmark = pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")

PAIRS = 40_000
CALLGRIND = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
OBJECTS = "import itertools, sys\nfor _ in itertools.repeat(None, int(sys.argv[1])): object()\n"


def instructions(command, prefix=()):
    """For one pair. What Python does before it comes to them is the same every time only if its hashes are."""
    counts = []
    for pairs in (PAIRS, 2 * PAIRS):
        done = run([*prefix, *CALLGRIND, *command, pairs], env={**os.environ, "PYTHONHASHSEED": "0"})
        assert done.returncode == 0, done.stderr
        counts.append(int(re.search(r"Collected : (\d+)", done.stderr).group(1)))
    return (counts[1] - counts[0]) / PAIRS


def added(memray, folder, command, *options):
    record = [memray, "run", "-q", "-f", "-o", folder / "capture.bin", *options, "--"]
    return instructions(command, record) - instructions(command)


CEILINGS = {"--unwinders=none": 300, "": 325, "--native": 490}


@pytest.mark.parametrize("options", CEILINGS)
def test_malloc_and_free(memray, programs, tmp_path, options):
    assert added(memray, tmp_path, [programs / "pairs"], *options.split()) < CEILINGS[options]


def test_python_allocators(memray, tmp_path):
    """An object made and dropped by a loop at the top of a script."""
    (tmp_path / "objects.py").write_text(OBJECTS)
    python = next(iter(interpreters().values()))
    assert added(memray, tmp_path, [python, "-sS", tmp_path / "objects.py"], "--trace-python-allocators") < 440


EVENTS = 200_000


@pytest.mark.parametrize("threads, ceiling", [(1, 600), (4, 640)])
def test_the_collector(memray, threads, ceiling):
    """Of an event, in a made-up stream in which the stack changes with every allocation."""
    drain = "--toggle-collect=memray::collector::Collector::drain*"
    speed = memray.parent / "capture-speed"
    done = run([*CALLGRIND, drain, speed, "--events", EVENTS / 1e6, "--collect", threads])
    assert done.returncode == 0, done.stderr
    assert int(re.search(r"Collected : (\d+)", done.stderr).group(1)) / EVENTS < ceiling
