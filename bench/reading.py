"""What reading costs: one program recorded by this memray and by memray from PyPI, each capture read by its own reader.

    python3 bench/reading.py [--python PYTHON] [--memray COMMAND] [--rounds N]

The program parses and unparses the standard library, with CPython's objects on malloc so that every one of them is an event.
Times are CPU seconds of the reading process, start-up of the interpreter or the command included. Bytes are those of the file by
allocations of its own recording: a profile function, which memray from PyPI sets, has the interpreter make more of them.
"""
import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile

from python_programs import TOP, prepare

PROGRAM = """
import ast, pathlib, sys
files = sorted(pathlib.Path(ast.__file__).parent.glob("*.py"))
for _ in range(int(sys.argv[1])):
    for file in files:
        ast.unparse(ast.parse(file.read_bytes()))
"""
READ = "import memray, sys; print(sum(r.size for r in memray.FileReader(sys.argv[1]).{}()))"
COUNT = """
import memray, sys
free = memray.AllocatorType.FREE, memray.AllocatorType.MUNMAP, memray.AllocatorType.PYMALLOC_FREE
print(sum(record.allocator not in free for record in memray.FileReader(sys.argv[1]).get_allocation_records()))
"""
QUESTIONS = "peak", "leaks", "statistics", "flame graph"


def output(command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def cpu(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def row(name, capture, allocations, commands):
    size = capture.stat().st_size
    times = " | ".join(f"{cpu(command):.2f}" for command in commands)
    print(f"| {name} | {allocations / 1e6:.1f} | {size / 1e6:.1f} | {size / allocations:.2f} | {times} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--memray", type=pathlib.Path, default=TOP / "build/release/bin/memray")
    parser.add_argument("--rounds", default="3", help="how often the program does its work (default: 3)")
    options = parser.parse_args()
    python, ours = prepare(options.python), options.memray
    os.environ["PYTHONMALLOC"] = "malloc"
    with tempfile.TemporaryDirectory() as folder:
        program, our_capture, their_capture, page = (
            pathlib.Path(folder) / name for name in ("program.py", "ours.bin", "theirs.bin", "page.html")
        )
        program.write_text(PROGRAM)
        target = [program, options.rounds]
        output([ours, "run", "-q", "-o", our_capture, "--python", python, *target])
        theirs = [python, "-m", "memray"]
        output([*theirs, "run", "-q", "-o", their_capture, *target])

        print("| | allocations, M | capture, MB | bytes an allocation | " + " | ".join(f"{q}, s" for q in QUESTIONS) + " |")
        print("|---|" + "--:|" * (3 + len(QUESTIONS)))
        peak, leaks = (
            [python, "-c", READ.format(f"get_{records}_allocation_records"), their_capture]
            for records in ("high_watermark", "leaked")
        )
        graph = ["flamegraph", "-f", "-o", page]
        count = int(output([python, "-c", COUNT, their_capture]))
        commands = [peak, leaks, [*theirs, "stats", their_capture], [*theirs, *graph, their_capture]]
        row("memray 1.20", their_capture, count, commands)
        count = json.loads(output([ours, "stats", "--json", "-o", "-", our_capture]))["total_num_allocations"]
        peak, leaks = [ours, "summary", our_capture], [ours, "summary", "--leaks", our_capture]
        row("this memray", our_capture, count, [peak, leaks, [ours, "stats", our_capture], [ours, *graph, our_capture]])


if __name__ == "__main__":
    main()
