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


def run(command, **options):
    """A command's CompletedProcess, with text output."""
    options.setdefault("timeout", 300)
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)


@functools.lru_cache(maxsize=None)
def interpreters():
    """Every CPython from 3.9 on that this machine has: the system's, pyenv's and those of /opt, one of each version."""
    candidates = [pathlib.Path("/usr/bin/python3"), pathlib.Path(sys.executable)]
    candidates += sorted(pathlib.Path("/usr/bin").glob("python3.[0-9]*[0-9]"))
    candidates += sorted(pathlib.Path("/opt").glob("python*/bin/python3"))
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


FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')


def fields(line):
    """The key=value pairs of a line of `memray parse`."""
    values = {}
    for key, text in FIELD.findall(line):
        if text.startswith('"'):
            values[key] = json.loads(text)
        elif text.startswith("0x"):
            values[key] = int(text, 16)
        else:
            values[key] = int(text) if text.isdigit() else text
    return values


class Replay:
    """What happens to the allocations that `wanted(event)` picks, counted anew from the text of `memray parse`."""

    def __init__(self, events, wanted=lambda event: True):
        self.allocations = self.frees = self.bytes = self.live_bytes = self.peak_bytes = 0
        live = {}  # number -> [address, bytes left]
        for kind, event in events:
            if kind == "ALLOCATION":
                if not wanted(event):
                    continue
                self.allocations += 1
                self.bytes += event["size"]
                self.live_bytes += event["size"]
                self.peak_bytes = max(self.peak_bytes, self.live_bytes)
                live[event["number"]] = [event["address"], event["size"]]
            elif kind == "DEALLOCATION" and event["number"] in live:
                address, left = live.pop(event["number"])
                assert event["size"] == left
                assert event["allocator"] == "munmap" or event["address"] == address
                self.frees += 1
                self.live_bytes -= left
            elif kind == "PARTIAL_DEALLOCATION" and event["number"] in live:
                live[event["number"]][1] -= event["size"]
                self.live_bytes -= event["size"]
            elif kind == "PROCESS_EXEC":
                live.clear()
                self.live_bytes = 0


EVENTS = {"ALLOCATION", "DEALLOCATION", "PARTIAL_DEALLOCATION", "PROCESS_EXEC"}


@dataclasses.dataclass
class Recording:
    memray: str
    path: pathlib.Path
    done: subprocess.CompletedProcess

    @property
    def truth(self):
        """What the program said about itself: the JSON on a line of its output."""
        lines = [line for line in self.done.stdout.splitlines() if line.startswith("{")]
        return json.loads(lines[-1])

    def report(self, *arguments):
        done = run([self.memray, *arguments, self.path])
        assert done.returncode == 0, done.stderr
        return done.stdout

    @functools.cached_property
    def stats(self):
        out = self.path.with_suffix(".stats.json")
        self.report("stats", "--json", "-f", "-o", out)
        return json.loads(out.read_text())

    def summary(self, *options):
        return json.loads(self.report("summary", "--json", *options))

    @functools.cached_property
    def lines(self):
        """(word, {key: value}) for each line of `memray parse`."""
        return [(line.split(" ", 1)[0], fields(line)) for line in self.report("parse").splitlines()]

    @property
    def trailer(self):
        return self.lines[-1][1]

    @functools.cached_property
    def events(self):
        return [(kind, event) for kind, event in self.lines if kind in EVENTS]

    def replay(self, wanted=lambda event: True):
        return Replay(self.events, wanted)

    @functools.cached_property
    def stacks(self):
        """Stack number -> ((function, file, line), ...), innermost first."""
        frames, stacks = {}, {0: ()}
        for kind, value in self.lines:
            if kind == "FRAME" and value["kind"] == "python":
                frames[value["frame"]] = (value["function"], value["file"], value["line"])
            elif kind == "STACK":
                stacks[value["stack"]] = (frames.get(value["frame"]), *stacks[value["parent"]])
        return stacks


def record(memray, folder, target, *options, **run_options):
    """Records a native program (a list) or a script (a path); fails if the capture is not made."""
    path = pathlib.Path(folder) / "capture.bin"
    command = ["--", *target] if isinstance(target, (list, tuple)) else [target]
    done = run([memray, "run", "-f", "-o", path, *options, *command], **run_options)
    assert path.exists(), done.stderr
    return Recording(str(memray), path, done)
