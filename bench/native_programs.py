"""Native programs: a compiler with native stacks, and threads that do nothing but malloc and free. Peers: heaptrack, memray 1.20."""
import shutil
import subprocess
import sys

import measure
from python_programs import HERE

HEADERS = "bits/stdc++.h boost/spirit/include/qi.hpp boost/multi_index_container.hpp boost/asio.hpp fmt/core.h fmt/ranges.h".split()
THREADS = 4
PAIRS = 2_000_000


def heaptrack_command(folder, command):
    return ["heaptrack", "-o", folder / "heaptrack", *command]


def has_heaptrack():
    if not shutil.which("heaptrack"):
        print("heaptrack is not installed (Debian: heaptrack), so it is left out", file=sys.stderr)
    return bool(shutil.which("heaptrack"))


def has_header(header, folder):
    (folder / "try.cc").write_text(f"#include <{header}>\n")
    return subprocess.run(["g++", "-std=c++20", "-E", "try.cc"], cwd=folder, capture_output=True).returncode == 0


def compiler_command(folder):
    """cc1plus on a few megabytes of preprocessed source."""
    compiler = subprocess.run(["g++", "-print-prog-name=cc1plus"], check=True, capture_output=True, text=True).stdout.strip()
    source, preprocessed = folder / "source.cc", folder / "source.ii"
    source.write_text("".join(f"#include <{header}>\n" for header in HEADERS if has_header(header, folder)))
    subprocess.run(["g++", "-std=c++20", "-E", source, "-o", preprocessed], check=True)
    return [compiler, "-quiet", "-fpreprocessed", "-std=c++20", "-O1", preprocessed, "-o", folder / "source.s"]


def compiler_table(options, folder):
    command = compiler_command(folder)
    ways = {
        "plain": command,
        "this memray": [options.memray, "run", "-q", "-f", "-o", folder / "cc1plus.bin", "--native", "--", *command],
    }
    if has_heaptrack():
        ways["heaptrack"] = heaptrack_command(folder, command)
    results = measure.alternate(ways, options.runs, folder, "cc1plus")
    size = (folder / "source.ii").stat().st_size
    print(f"\n### cc1plus on {size / 1e6:.1f} MB of source, native stacks\n")
    print("| | median, s | slowdown | spread | CPU | peak memory, MB |\n|---|--:|--:|--:|--:|--:|")
    plain = results["plain"]
    for way, runs in results.items():
        slowdown, cpu = (measure.median(runs, key) / measure.median(plain, key) for key in ("seconds", "cpu"))
        memory = measure.peak_memory(ways[way], folder) / 1e6
        print(f"| {way} | {measure.median(runs):.2f} | {slowdown:.2f}x | ±{measure.spread(runs) / 2:.0%} | {cpu:.2f}x | {memory:.0f} |", flush=True)


def threads_table(options, python, folder):
    source = HERE / "threads.c"
    flags = ["-O2", "-pthread", source]
    subprocess.run(["cc", *flags, "-o", folder / "threads"], check=True)
    subprocess.run(["cc", *flags, "-shared", "-fPIC", "-o", folder / "threads.so"], check=True)
    script = folder / "threads.py"
    script.write_text(
        "import ctypes, sys\nloop = ctypes.CDLL(sys.argv[1]).loop\nloop.restype = ctypes.c_double\n"
        "print('%.0f' % loop(int(sys.argv[2]), ctypes.c_long(int(sys.argv[3]))))\n"
    )
    print(f"\n### Threads in a loop of malloc and free: million calls a second, {PAIRS:,} pairs a thread\n")
    print("| threads | plain | this memray | memray 1.20 | heaptrack |\n|--:|--:|--:|--:|--:|")
    for threads in (1, THREADS):
        program = [folder / "threads", threads, PAIRS]
        in_python = [script, folder / "threads.so", threads, PAIRS]
        ways = {
            "plain": program,
            "ours": [options.memray, "run", "-q", "-f", "-o", folder / "threads.bin", "--", *program],
            "peer": [python, "-m", "memray", "run", "-q", "-f", "-o", folder / "peer.bin", *in_python],
        }
        if has_heaptrack():
            ways["heaptrack"] = heaptrack_command(folder, program)
        results = measure.alternate(ways, options.runs, folder, f"{threads} threads")
        cells = []
        for way in ("plain", "ours", "peer", "heaptrack"):
            rates = sorted(float(line) for r in results.get(way, []) for line in r.output.splitlines() if line.isdigit())
            cells.append(f"{rates[len(rates) // 2] / 1e6:.1f}" if rates else "-")
        print(f"| {threads} | {' | '.join(cells)} |", flush=True)


def startup_table(options, folder):
    true = shutil.which("true")
    ways = {
        "`true`": [true],
        "`memray --help`": [options.memray, "--help"],
        "`memray run -- true`": [options.memray, "run", "-q", "-f", "-o", folder / "true.bin", "--", true],
        "`memray run -c pass`": [options.memray, "run", "-q", "-f", "-o", folder / "pass.bin", "-c", "pass"],
    }
    results = measure.alternate(ways, 20, folder, "start-up")
    print("\n### Start-up\n\n| command | median of 20, ms |\n|---|--:|")
    for way, runs in results.items():
        print(f"| {way} | {measure.median(runs) * 1000:.1f} |")
