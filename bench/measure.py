"""Running commands and measuring them: time, CPU time of all processes, memory at its highest."""
import dataclasses
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time


@dataclasses.dataclass
class Run:
    seconds: float  # wall time, from start to end
    cpu: float  # of the command and all processes that it waited for, so of a collector too
    output: str


def run(command, folder, environment=None):
    """Runs a command that has to succeed."""
    start = time.perf_counter()
    with open(folder / "output", "w+") as out, open(folder / "errors", "w+") as errors:
        process = subprocess.Popen([str(part) for part in command], cwd=folder, stdout=out, stderr=errors, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        elapsed = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), errors.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(map(str, command))} failed with {process.returncode}:\n{errors.read()}")
        return Run(elapsed, usage.ru_utime + usage.ru_stime, out.read())


def alternate(ways, runs, folder, label, after=lambda way: None):
    """The commands of `ways` in turn, `runs` times, so that a machine that slows down slows all of them. Calls after(way) after each."""
    results = {way: [] for way in ways}
    for turn in range(runs):
        for way, command in ways.items():
            print(f"\r{label}: {way} {turn + 1}/{runs}          ", end="", file=sys.stderr, flush=True)
            results[way].append(run(command, folder))
            after(way)
    print("\r" + " " * 79, end="\r", file=sys.stderr)
    return results


def median(runs, key="seconds"):
    return statistics.median(getattr(r, key) for r in runs)


def spread(runs):
    """From fastest to slowest, in parts of the median."""
    times = [r.seconds for r in runs]
    return (max(times) - min(times)) / statistics.median(times)


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))


def tree(pid):
    """A process and its descendants."""
    found = [pid]
    for one in found:
        for task in pathlib.Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                pass
    return found


def proportional_set_size(pid):
    try:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def peak_memory(command, folder):
    """The highest sum over the command's processes that is seen, looking 50 times a second. Looking takes time: such a run is not timed."""
    process = subprocess.Popen(
        [str(part) for part in command], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    highest = 0
    while process.poll() is None:
        highest = max(highest, sum(proportional_set_size(pid) for pid in tree(process.pid)))
        time.sleep(0.02)
    return highest
