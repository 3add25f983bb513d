"""The pytest plugin, on suites that know what they allocate."""
import importlib.metadata
import subprocess
import sys

import pytest

SUITE = """
import asyncio, unittest
import pytest
from memray._test import MemoryAllocator

def leak(size):
    MemoryAllocator().valloc(size)

def test_small():
    leak(1000)

def test_large():
    leak(50_000_000)

@pytest.mark.limit_memory("10 MB")
def test_within_limit():
    leak(1_000_000)

@pytest.mark.limit_memory("10 MB")
def test_over_limit():
    leak(20_000_000)

@pytest.mark.limit_leaks("1 MB")
def test_leaks():
    leak(3_000_000)

@pytest.mark.limit_leaks("1 MB", filter_fn=lambda stack: all(frame[0] != "leak" for frame in stack))
def test_leaks_that_do_not_count():
    leak(3_000_000)

@pytest.mark.limit_memory("10 MB")
def test_fails_of_itself():
    assert False, "by itself"

class TestUnit(unittest.TestCase):
    @pytest.mark.limit_memory("10 MB")
    def test_of_unittest(self):
        leak(20_000_000)

class TestCoroutine(unittest.IsolatedAsyncioTestCase):
    @pytest.mark.limit_memory("10 MB")
    async def test_coroutine(self):
        await asyncio.sleep(0)
        leak(20_000_000)

@pytest.mark.parametrize("size", [1, 2])
def test_with_parameters(size, tmp_path):
    leak(size)
"""

INSTALLED = any(each.metadata["Name"] == "memray" for each in importlib.metadata.distributions())
FAIL = {"test_over_limit", "test_leaks", "test_fails_of_itself", "test_of_unittest", "test_coroutine"}


@pytest.fixture
def run(tmp_path):
    (tmp_path / "test_suite.py").write_text(SUITE)

    def run_pytest(*arguments):
        plugin = [] if INSTALLED else ["-p", "memray.pytest_plugin"]  # pytest finds what is installed
        command = [sys.executable, "-m", "pytest", *plugin, "-p", "no:cacheprovider", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        return done.stdout

    return run_pytest


def failed(output):
    return {line.split("::")[-1].split()[0] for line in output.splitlines() if line.startswith("FAILED")}


def test_limits(run):
    output = run("-rf")
    assert failed(output) == FAIL
    assert "Test is using 20.0" in output and "limit of 10.486MB" in output
    assert "leak:" in output
    assert "MEMRAY REPORT" not in output


def test_summary_and_captures(run, tmp_path):
    output = run("--memray", "--memray-bin-path=captures", "--most-allocations=2", "--memray-bin-prefix=run")
    report = output[output.index("MEMRAY REPORT") :]
    told = [line.split("::")[-1].split()[0] for line in report.splitlines() if line.startswith("Allocation results for")]
    assert told == ["test_large", "test_over_limit"]
    assert "Total memory allocated: 50.0" in report
    names = {path.name for path in (tmp_path / "captures").iterdir()}
    assert len(names) == 11 and "run-test_suite.py-test_large.bin" in names


def test_under_xdist(run):
    pytest.importorskip("xdist")
    output = run("--memray", "-n2", "-rf", "--most-allocations=1")
    assert failed(output) == FAIL
    assert "Allocation results for test_suite.py::test_large" in output


@pytest.mark.parametrize("marker", ["limit_memory('much')", "limit_memory('1 MB', 2)"])
def test_limits_that_make_no_sense(run, tmp_path, marker):
    (tmp_path / "test_suite.py").write_text(f"import pytest\n@pytest.mark.{marker}\ndef test_it(): pass\n")
    assert "ValueError" in run()


def test_more_than_the_last_time(run, tmp_path):
    text = "import os, pytest\n@pytest.mark.limit_memory('10 MB')\ndef test_it(): bytearray(int(os.environ['SIZE']))\n"
    (tmp_path / "test_suite.py").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        for size, option, fails in ((3, "-q", False), (4, "-q", False), (5, "--fail-on-increase", True), (4, "--fail-on-increase", False)):
            patch.setenv("SIZE", str(size * 1_000_000))
            assert bool(failed(run("-rf", option, "-p", "cacheprovider"))) == fails


def test_of_threads_and_warmups(run, tmp_path):
    (tmp_path / "test_suite.py").write_text(
        """
import threading, pytest
from memray._test import MemoryAllocator
kept = []

def allocate():
    if not kept:
        kept.append(MemoryAllocator().valloc(20_000_000))

def in_thread():
    thread = threading.Thread(target=allocate)
    thread.start()
    thread.join()

@pytest.mark.limit_memory("10 MB", current_thread_only=True)
def test_thread():
    in_thread()

@pytest.mark.limit_memory("10 MB")
def test_any_thread():
    kept.clear()
    in_thread()

@pytest.mark.limit_leaks("10 MB", warmups=True)
def test_warm():
    allocate()

@pytest.mark.limit_leaks("10 MB")
def test_cold():
    kept.clear()
    allocate()
"""
    )
    assert failed(run("-rf")) == {"test_any_thread", "test_cold"}


def test_settings_of_the_configuration_file(run, tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\nmemray = true\nmost_allocations = 0\nstacks = 1\n")
    output = run()
    assert output.count("Allocation results for") == 11
    assert "leak:" in output and "test_large:" not in output
    assert "MEMRAY REPORT" not in run("--hide-memray-summary")
