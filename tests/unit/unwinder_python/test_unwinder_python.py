"""The python unwinder, inside every CPython from 3.9 on that is found on this machine.

MEMRAY_TEST_PROBE is the stand-in for the recorder (probe.cc), MEMRAY_TEST_UNWINDER the plugin under test.
"""

import glob
import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROBE = os.environ["MEMRAY_TEST_PROBE"]
UNWINDER = os.environ["MEMRAY_TEST_UNWINDER"]

SCENARIOS = """
    recursion comprehensions generators coroutines classes executed reused_code dying_code returning_dying_code
    finalizers decorators exceptions threads multi_line_calls profiled signals interrupted unicode_names deep_recursion callbacks
    restarts subinterpreters randomised in_every_malloc
""".split()


def find_interpreters():
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    candidates = []
    for folder in ["/usr/bin", "/usr/local/bin", *glob.glob(pyenv + "/versions/*/bin")]:
        candidates += [f"{folder}/python3.{minor}" for minor in range(9, 20)]
    return sorted({os.path.realpath(path) for path in candidates if os.path.exists(path)})


def label(python):
    return subprocess.run([python, "-V"], capture_output=True, text=True).stdout.strip().replace(" ", "-")


INTERPRETERS = find_interpreters()
every_python = pytest.mark.parametrize("python", INTERPRETERS, ids=label)


def run(python, *arguments, **environment):
    return subprocess.run(
        [python, *map(str, arguments)],
        env={**os.environ, "LD_PRELOAD": PROBE, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


@every_python
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_stacks_are_those_of_the_interpreter(python, scenario):
    result = run(python, HERE / "scenarios.py", PROBE, UNWINDER, scenario)
    assert result.returncode == 0, result.stdout + result.stderr


@every_python
@pytest.mark.parametrize("scenario", ["recursion", "generators", "exceptions", "interrupted", "callbacks"])
def test_without_native_stacks(python, scenario):
    """Then nobody asks which frames are the first of their evaluators, and CPython 3.11's flag is not looked at."""
    result = run(python, HERE / "scenarios.py", PROBE, UNWINDER, scenario, PROBE_PYTHON_ONLY="1")
    assert result.returncode == 0, result.stdout + result.stderr


@every_python
@pytest.mark.parametrize("allocator", ["malloc", "debug"])
def test_walking_in_every_allocation_of_the_interpreter(python, allocator):
    scenario = "in_every_malloc" if allocator == "malloc" else "recursion"
    result = run(python, HERE / "scenarios.py", PROBE, UNWINDER, scenario, PYTHONMALLOC=allocator)
    assert result.returncode == 0, result.stdout + result.stderr


@every_python
def test_greenlets(python):
    if subprocess.run([python, "-c", "import greenlet"], capture_output=True).returncode != 0:
        pytest.skip("greenlet is not installed there")
    result = run(python, HERE / "scenarios.py", PROBE, UNWINDER, "greenlets")
    assert result.returncode == 0, result.stdout + result.stderr


SCRIPT = """
import atexit, os, sys

def event(what):
    with open(os.environ["PROBE_LOG"], "a") as log:
        log.write("%s %d\\n" % (what, os.getpid()))

event("script")
atexit.register(event, "exiting")
"""


class Target:
    """Runs Python with the unwinder asked to start with the program, and returns what happened, in order."""

    def __init__(self, python, folder):
        self.python, self.folder = python, folder

    def events(self, *arguments, returncode=0):
        log = self.folder / "log"
        log.unlink(missing_ok=True)
        self.result = run(self.python, *arguments, PROBE_LOG=str(log), PROBE_START=UNWINDER)
        assert self.result.returncode == returncode, self.result.stdout + self.result.stderr
        lines = [line.rsplit(" ", 1) for line in log.read_text().splitlines()]
        self.first = lines[0][1]
        return [what if pid == self.first else what + " (child)" for what, pid in lines]


@pytest.fixture
def target(request, tmp_path):
    return Target(request.param, tmp_path)


every_target = pytest.mark.parametrize("target", INTERPRETERS, ids=label, indirect=True)
WHOLE_RUN = ["arranged", "start", "script", "exiting", "stop"]


@every_target
def test_recording_lasts_from_start_to_end_of_the_script(target, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    assert target.events(script) == WHOLE_RUN
    assert target.events("-c", SCRIPT) == WHOLE_RUN
    assert target.events("-I", script) == WHOLE_RUN


@every_target
def test_folders_and_modules_start_too(target, tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__main__.py").write_text(SCRIPT)
    assert target.events(package) == WHOLE_RUN
    os.chdir(tmp_path)
    assert target.events("-m", "package") == WHOLE_RUN
    assert target.events("-") == ["arranged", "start", "stop"]


@every_target
def test_a_script_that_fails_is_stopped_as_well(target):
    assert target.events("-c", SCRIPT + "raise ValueError", returncode=1) == WHOLE_RUN
    assert target.result.stderr.endswith("ValueError\n")
    assert target.events("-c", SCRIPT + "sys.exit(7)", returncode=7) == WHOLE_RUN


@every_target
def test_forked_children_do_not_stop_the_recording(target):
    fork = SCRIPT + "if os.fork() == 0: sys.exit(0)\nos.wait()\nevent('joined')"
    assert target.events("-c", fork) == ["arranged", "start", "script", "exiting (child)", "joined", "exiting", "stop"]


@every_target
def test_nothing_is_left_of_the_audit_hook(target):
    """With a hook left, CPython would make an argument tuple for each event."""
    count = """
import ctypes, itertools, sys
probe = ctypes.CDLL(None)
probe.probe_walks.restype = ctypes.c_long
def allocations():
    before = probe.probe_walks()
    probe.probe_in_mallocs(1)
    for _ in itertools.repeat(None, 1000):
        sys.audit("event", 1.5, 2.5, 3.5, 4.5)
    probe.probe_in_mallocs(0)
    return probe.probe_walks() - before
allocations()
assert allocations() < 10, allocations()
sys.addaudithook(lambda *event: None)
assert allocations() >= 1000, allocations()
"""
    os.environ["PYTHONMALLOC"] = "malloc"
    try:
        target.events("-c", count)
    finally:
        del os.environ["PYTHONMALLOC"]


@every_target
def test_hooks_of_others_survive_ours(target):
    hooks = "import sys; seen = []; sys.addaudithook(lambda *a: seen.append(a)); sys.audit('mine', 1)"
    hooks += "; assert ('mine', (1,)) in seen"
    assert target.events("-c", hooks) == ["arranged", "start", "stop"]


@every_target
def test_the_interpreter_is_described(target):
    facts = """
import ctypes, os, sys
probe = ctypes.CDLL(None)
probe.probe_fact.restype = probe.probe_warnings.restype = ctypes.c_char_p
def fact(key): return probe.probe_fact(key.encode()).decode()
assert not probe.probe_warnings(), probe.probe_warnings()
assert fact("python_version") == sys.version.split()[0], fact("python_version")
assert fact("python_executable") == sys.executable
assert fact("python_allocator") == {allocator!r}, fact("python_allocator")
"""
    target.events("-c", facts.format(allocator="pymalloc"))
    for setting, name in [("malloc", "malloc"), ("debug", "pymalloc debug"), ("pymalloc_debug", "pymalloc debug")]:
        os.environ["PYTHONMALLOC"] = setting
        try:
            target.events("-c", facts.format(allocator=name))
        finally:
            del os.environ["PYTHONMALLOC"]


@every_target
def test_an_interpreter_that_runs_nothing_starts_nothing(target):
    assert target.events("--version") == ["arranged"]
    assert target.events("-c", "syntax error", returncode=1) == ["arranged", "start", "stop"]


def test_other_programs_have_no_such_moment(tmp_path):
    target = Target("/bin/sh", tmp_path)
    assert target.events("-c", ":") == ["no program"]
