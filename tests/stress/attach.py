#!/usr/bin/env python3
"""Attaches to programs at work and detaches again, many times, and prints how often it worked and how long it took.

    tests/stress/attach.py [--cycles 100] [--peer PYTHON] [NAME...]

With --peer, the same with the memray of PyPI that PYTHON has installed, and its gdb method; the targets run in that Python.

The tests do the same a few times (tests/e2e/test_attach.py). A cycle fails if a command fails; a program fails if it does
not end as it should, or says that something was wrong.
"""
import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "e2e"))
import attaching  # noqa: E402


def cycle(attach, detach, pid, folder):
    before = time.monotonic()
    attached = subprocess.run([*attach, "-f", "-o", folder + "/c.bin", str(pid)], capture_output=True, text=True)
    took = time.monotonic() - before
    if attached.returncode != 0:
        return took, attached.stderr
    time.sleep(0.01)
    detached = subprocess.run([*detach, str(pid)], capture_output=True, text=True)
    return took, detached.stderr if detached.returncode != 0 else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--build", type=pathlib.Path, default=TOP / "build" / "release")
    parser.add_argument("--method", default="auto")
    parser.add_argument("--peer")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    attach, detach = ([str(options.build / "bin" / "memray"), command, "-q", "--method", options.method] for command in ("attach", "detach"))
    if options.peer:
        attach, detach = ([options.peer, "-m", "memray", command, "--method", "gdb"] for command in ("attach", "detach"))
    failures = 0
    print(f"{'program':<22} {'worked':>9} {'median ms':>10} {'slowest ms':>11}  program")
    for name, start in attaching.targets(options.build / "tests" / "programs", options.peer or sys.executable).items():
        if options.names and name not in options.names:
            continue
        with tempfile.TemporaryDirectory() as folder, start() as program:
            times, worked = [], 0
            for _ in range(options.cycles):
                took, trouble = cycle(attach, detach, program.pid, folder)
                times.append(took * 1000)
                worked += not trouble
                if trouble:
                    print(f"  {trouble.strip()}", file=sys.stderr)
            end = program.end()
            right = end == attaching.RIGHT
            failures += options.cycles - worked + (not right)
            print(f"{name:<22} {worked:>4}/{options.cycles:<4} {statistics.median(times):>10.0f} {max(times):>11.0f}  {'right' if right else end}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
