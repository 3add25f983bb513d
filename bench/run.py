"""What recording costs: programs of the pyperformance collection, plain, under this memray, and under memray from PyPI.

    python3 bench/run.py [--python PYTHON] [--runs N] [--only NAME,NAME]

Prints markdown tables. The three ways of running take turns, so that a machine that slows down slows all of them; figures are
medians of wall time, from the start of the command to its end, capture written. The first call makes a virtual
environment with the other profiler and the programs in build/bench-venv.
"""
import argparse
import math
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent
PACKAGES = ["memray==1.20.0", "pyperformance==1.14.0"]

# Loops such that the plain program takes two to four seconds on a machine of 2024.
PROGRAMS = {
    "raytrace": ["8"],
    "go": ["18"],
    "nqueens": ["25"],
    "mdp": ["1"],
    "pprint": ["1"],
    "async_tree": ["3", "none"],
    "fannkuch": ["6"],
    "json_dumps": ["200"],
    "regex_effbot": ["80"],
    "sqlite_synth": ["1000000"],
}


def prepare(python):
    """The virtual environment's Python, made if it is not there or holds something else."""
    venv = TOP / "build" / "bench-venv"
    stamp = venv / "packages"
    wanted = "\n".join([python, *PACKAGES])
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"preparing {venv}", file=sys.stderr)
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([python, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/pip", "install", "-q", "--disable-pip-version-check", *PACKAGES], check=True)
        stamp.write_text(wanted)
    return venv / "bin" / "python"


def benchmarks_of(python):
    code = "import pyperformance, os; print(os.path.dirname(pyperformance.__file__))"
    package = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    return pathlib.Path(package) / "data-files" / "benchmarks"


def timed(command, cwd):
    start = time.perf_counter()
    done = subprocess.run([str(part) for part in command], cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    elapsed = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed with {done.returncode}:\n{done.stderr}")
    return elapsed


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))


def slowdown_table(options, python, folder):
    benchmarks = benchmarks_of(python)
    capture = folder / "capture.bin"
    ways = {
        "plain": [python],
        "ours": [options.memray, "run", "-q", "-f", "--python", python, "-o", capture],
        "peer": [python, "-m", "memray", "run", "-q", "-f", "-o", capture],
    }

    rows = []
    for name in options.only.split(",") if options.only else PROGRAMS:
        target = [HERE / "driver.py", benchmarks / f"bm_{name}" / "run_benchmark.py", *PROGRAMS[name]]
        times = {way: [] for way in ways}
        sizes = {}
        for turn in range(options.runs):
            for way, command in ways.items():
                print(f"\r{name}: {way} {turn + 1}/{options.runs}   ", end="", file=sys.stderr, flush=True)
                times[way].append(timed([*command, *target], folder))
                if way != "plain":
                    sizes[way] = capture.stat().st_size
                    capture.unlink()
        rows.append((name, {way: statistics.median(t) for way, t in times.items()}, sizes))
    print(file=sys.stderr)

    print("| program | plain, s | this memray, s | memray 1.20, s | this memray | memray 1.20 | capture, kB | memray 1.20, kB |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for name, median, size in rows:
        print(
            f"| {name} | {median['plain']:.2f} | {median['ours']:.2f} | {median['peer']:.2f} "
            f"| {median['ours'] / median['plain']:.2f}x | {median['peer'] / median['plain']:.2f}x "
            f"| {size['ours'] / 1000:.0f} | {size['peer'] / 1000:.0f} |"
        )
    means = {way: geometric_mean([median[way] / median["plain"] for _, median, _ in rows]) for way in ("ours", "peer")}
    print(f"| geometric mean | | | | **{means['ours']:.2f}x** | **{means['peer']:.2f}x** | | |")


def startup_table(options, folder):
    true = shutil.which("true")
    commands = {
        "`true`": [true],
        "`memray --help`": [options.memray, "--help"],
        "`memray run -- true`": [options.memray, "run", "-q", "-f", "-o", folder / "true.bin", "--", true],
        "`memray run -c pass`": [options.memray, "run", "-q", "-f", "-o", folder / "pass.bin", "-c", "pass"],
    }
    times = {name: [] for name in commands}
    for _ in range(20):
        for name, command in commands.items():
            times[name].append(timed(command, folder))
    print("| command | median of 20, ms |")
    print("|---|--:|")
    for name, values in times.items():
        print(f"| {name} | {statistics.median(values) * 1000:.1f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the programs (default: this one)")
    parser.add_argument("--memray", type=pathlib.Path, default=TOP / "build/release/bin/memray", help="the command to measure")
    parser.add_argument("--runs", type=int, default=5, help="runs of each program in each way (default: 5)")
    parser.add_argument("--only", help="comma-separated programs: " + ", ".join(PROGRAMS))
    options = parser.parse_args()
    options.memray = options.memray.resolve()
    if not os.access(options.memray, os.X_OK):
        sys.exit(f"{options.memray} is not there: run scripts/build.sh, or name one with --memray")

    python = prepare(options.python)
    version = subprocess.run([python, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    print(f"{version}, {platform.machine()}, {os.cpu_count()} CPUs, {options.runs} runs\n")
    with tempfile.TemporaryDirectory() as folder:
        slowdown_table(options, python, pathlib.Path(folder))
        print()
        startup_table(options, pathlib.Path(folder))


if __name__ == "__main__":
    main()
