"""What recording costs, beside other profilers.

    python3 bench/run.py [--python PYTHON] [--runs N] [--only NAME,NAME] [--parts PART,PART]

Prints markdown tables. The ways of running a program take turns, so that a machine that slows down slows all of them; figures are
medians of wall time, from the start of the command to its end, capture written. CPU is that of all processes together. The
first call makes a virtual environment with the other profiler and the programs in build/bench-venv.

Parts: the modes of memray run (default, native, python, python+native) on Python programs, compiler, threads, startup, and
disturbance (does recording change how much a program allocates?).
"""
import argparse
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

import disturbance
import native_programs
import python_programs

PARTS = [*python_programs.MODES, "compiler", "threads", "startup", "disturbance"]


def read_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the programs (default: this one)")
    parser.add_argument(
        "--memray", type=pathlib.Path, default=python_programs.TOP / "build/release/bin/memray", help="the command to measure"
    )
    parser.add_argument("--runs", type=int, default=5, help="runs of each program in each way (default: 5)")
    parser.add_argument("--only", help="comma-separated programs: " + ", ".join(python_programs.PROGRAMS))
    parser.add_argument("--parts", default=",".join(PARTS), help="comma-separated; default: all")
    options = parser.parse_args()
    options.memray = options.memray.resolve()
    options.parts = options.parts.split(",")
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if not os.access(options.memray, os.X_OK):
        sys.exit(f"{options.memray} is not there: run scripts/build.sh, or name one with --memray")
    return options


def main():
    options = read_options()
    python = python_programs.prepare(options.python)
    version = subprocess.run([python, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    print(f"{version}, {platform.machine()}, {os.cpu_count()} CPUs, {options.runs} runs", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for part in options.parts:
            if part in python_programs.MODES:
                python_programs.table(options, python, folder, part)
            elif part == "compiler":
                native_programs.compiler_table(options, folder)
            elif part == "threads":
                native_programs.threads_table(options, python, folder)
            elif part == "startup":
                native_programs.startup_table(options, folder)
            else:
                disturbance.table(options, python, folder)


if __name__ == "__main__":
    main()
