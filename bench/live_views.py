"""How the live views bear a program that never rests: memory of everything that takes part, and how often the views are renewed.

    python3 bench/live_views.py [--rate RECORDS] [--seconds N] [--live BLOCKS] [--native] [--memray COMMAND]

bench/busy.c calls malloc and free RECORDS times a second, from 64 stacks and with 500 sizes, and has BLOCKS blocks at a time. One
terminal (of 120 columns) and one tab (a client that reads events of the flame graph) look on. An update is one that shows another
count of allocations: a view that repeats itself is not one that is renewed.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(TOP / "tests" / "e2e"))
from terminal import Terminal  # noqa: E402


def resident(pid):
    """Resident MB and CPU seconds of a process; nothing of one that is gone."""
    try:
        pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
        times = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    except (OSError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


class Tab(threading.Thread):
    """Reads events as they come; when the last ones that said something new were there."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.stream = urllib.request.urlopen(address.replace("/?", "/flamegraph/events?"))
        self.times, self.sizes, self.seen = [], [], None

    def run(self):
        for line in self.stream:
            if not line.startswith(b"data: "):
                continue
            facts = json.loads(line[6:])["chrome"]["facts"]
            count = next(fact["value"] for fact in facts if fact["label"] == "Allocations")
            if count != self.seen:
                self.times.append(time.monotonic())
            self.seen = count
            self.sizes.append(len(line))


def gaps(times):
    between = [after - before for before, after in zip(times, times[1:])]
    if not between:
        return "none"
    return f"{len(times)} updates, {statistics.median(between):.2f} s apart in the middle, {max(between):.2f} s at most"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memray", default=TOP / "build" / "release" / "bin" / "memray")
    parser.add_argument("--rate", type=float, default=1e7)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--live", type=int, default=100_000)
    parser.add_argument("--native", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        busy = pathlib.Path(folder) / "busy"
        subprocess.run(["cc", "-O2", "-g", TOP / "bench" / "busy.c", "-o", busy], check=True)
        numbers = [str(arguments.rate), str(arguments.seconds), str(arguments.live)]
        plain = subprocess.run([busy, numbers[0], "3", numbers[2]], capture_output=True, text=True, check=True).stdout
        options = ["--native"] if arguments.native else []
        recorded = subprocess.Popen([arguments.memray, "run", "--sink=socket", *options, "--", busy, *numbers],
                                    stdout=subprocess.PIPE, text=True, cwd=folder)
        port = recorded.stdout.readline().split("'")[1].split()[-1]
        web = subprocess.Popen([arguments.memray, "live", "--web", port], stdout=subprocess.PIPE, text=True)
        tab = Tab(re.search(r"http://\S+", web.stdout.readline())[0])
        tab.start()
        with Terminal([arguments.memray, "live", port], columns=120, lines=40, environment={"TERM": "linux"}) as terminal:
            watched = {"collector": recorded.pid, "terminal": terminal.pid, "browser's": web.pid}
            memory, used, times, seen = {name: [] for name in watched}, dict.fromkeys(watched, 0), [], None
            looked = 0
            while recorded.poll() is None:
                terminal.read(0.05)
                count = re.search(r"(\d+) allocations", terminal.text)
                if count and count[1] != seen:
                    times.append(time.monotonic())
                    seen = count[1]
                if time.monotonic() - looked > 0.5:
                    looked = time.monotonic()
                    for name, pid in watched.items():
                        if now := resident(pid):
                            memory[name].append(now[0])
                            used[name] = now[1]
        web.terminate()
        web.wait()
        calls = next(line for line in recorded.stdout if line.strip().isdigit())
        print(f"calls a second, unrecorded (3 s) and recorded: {float(plain):,.0f}, {float(calls):,.0f}")
        for name, sizes in memory.items():
            middle = len(sizes) // 2
            print(f"{name}: {max(sizes[:middle]):.0f} MB at most in the first half, {max(sizes[middle:]):.0f} MB in the second, "
                  f"{used[name]:.1f} s of CPU time")
        print(f"terminal: {gaps(times)}")
        print(f"browser: {gaps(tab.times)}; {statistics.median(tab.sizes) / 1000:.0f} kB each")


if __name__ == "__main__":
    main()
