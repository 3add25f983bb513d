"""Recording programs and reading recordings back, for the tests that compare them with the truth.

The text of `memray parse` is replayed here, so that what reports say about a capture can be checked by an algorithm that shares
nothing with theirs.
"""
import dataclasses
import functools
import json
import os
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
PYTHON_PROGRAMS = TOP / "tests" / "programs" / "python"
FREES = {"free", "munmap", "pymalloc_free"}


def run(command, **options):
    """A command's CompletedProcess, with text output."""
    options.setdefault("timeout", 300)
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)


@functools.lru_cache(maxsize=None)
def interpreters():
    """Every CPython from 3.9 on that this machine has: the system's and pyenv's, one of each version."""
    candidates = [pathlib.Path("/usr/bin/python3"), pathlib.Path(sys.executable)]
    candidates += sorted(pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv")).glob("versions/*/bin/python3"))
    found = {}
    for python in candidates:
        if not os.access(python, os.X_OK):
            continue
        done = run([python, "-c", "import sys; print(*sys.version_info[:3], sys.implementation.name)"])
        version = done.stdout.split()
        if done.returncode == 0 and version[3] == "cpython" and (int(version[0]), int(version[1])) >= (3, 9):
            found.setdefault(".".join(version[:3]), python)
    return found


@dataclasses.dataclass
class Allocation:
    allocator: str
    size: int
    address: int
    stack: list  # of (function, file, line), innermost first


@dataclasses.dataclass
class Recording:
    memray: str
    path: pathlib.Path
    done: subprocess.CompletedProcess

    @property
    def truth(self):
        """What the program said about itself: the JSON on the last line of its output."""
        lines = [line for line in self.done.stdout.splitlines() if line.startswith("{")]
        return json.loads(lines[-1])

    def report(self, *arguments):
        done = run([self.memray, *arguments, self.path])
        assert done.returncode == 0, done.stderr
        return done.stdout

    @functools.cached_property
    def stats(self):
        out = self.path.with_suffix(".stats.json")
        done = run([self.memray, "stats", "--json", "-f", "-o", out, self.path])
        assert done.returncode == 0, done.stderr
        return json.loads(out.read_text())

    @functools.cached_property
    def parsed(self):
        return self.report("parse")


def record(memray, folder, target, *options, **run_options):
    """Records a native program (a list) or a script (a path); fails if the capture is not made."""
    path = pathlib.Path(folder) / "capture.bin"
    command = ["--", *target] if isinstance(target, (list, tuple)) else [target]
    done = run([memray, "run", "-f", "-o", path, *options, *command], **run_options)
    assert path.exists(), done.stderr
    return Recording(memray, path, done)
