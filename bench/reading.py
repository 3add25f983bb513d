"""What reading costs: one program recorded by this memray and by memray from PyPI, each capture read by its own reader.

    python3 bench/reading.py [--python PYTHON] [--memray COMMAND] [--rounds N]

The program parses and unparses the standard library, with CPython's objects on malloc so that every one of them is an event.
Times are CPU seconds of the reading process, start-up of the interpreter or the command included. Bytes are those of the file by events of
its own recording: the two do not see the same ones (this memray starts before the interpreter's imports of its own script runner).
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
PEAK = "import memray, sys; print(sum(r.size for r in memray.FileReader(sys.argv[1]).get_high_watermark_allocation_records()))"
LEAKS = "import memray, sys; print(sum(r.size for r in memray.FileReader(sys.argv[1]).get_leaked_allocation_records()))"
COUNT = "import memray, sys; print(sum(1 for r in memray.FileReader(sys.argv[1]).get_allocation_records()))"


def cpu(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--memray", type=pathlib.Path, default=TOP / "build/release/bin/memray")
    parser.add_argument("--rounds", default="3", help="how often the program does its work (default: 3)")
    options = parser.parse_args()
    python = prepare(options.python)
    os.environ["PYTHONMALLOC"] = "malloc"
    with tempfile.TemporaryDirectory() as folder:
        program, ours, theirs = (pathlib.Path(folder) / name for name in ("program.py", "ours.bin", "theirs.bin"))
        program.write_text(PROGRAM)
        target = [program, options.rounds]
        subprocess.run([options.memray, "run", "-q", "-o", ours, "--python", python, *target], check=True)
        subprocess.run([python, "-m", "memray", "run", "-q", "-o", theirs, *target], check=True)
        events = int(subprocess.run([python, "-c", COUNT, theirs], check=True, capture_output=True, text=True).stdout)
        print(f"memray 1.20: {events / 1e6:.1f} M records, {theirs.stat().st_size / events:.3f} bytes each")
        print(f"  peak {cpu([python, '-c', PEAK, theirs]):.2f} s, leaks {cpu([python, '-c', LEAKS, theirs]):.2f} s")
        stats = json.loads(subprocess.run([options.memray, "stats", "--json", "-o", "-", ours], check=True, capture_output=True, text=True).stdout)
        events = stats["metadata"]["total_allocations"]
        print(f"this memray: {events / 1e6:.1f} M events, {ours.stat().st_size / events:.3f} bytes each")
        summary = [options.memray, "summary"]
        print(f"  peak {cpu([*summary, ours]):.2f} s, leaks {cpu([*summary, '--leaks', ours]):.2f} s, statistics {cpu([options.memray, 'stats', ours]):.2f} s")


if __name__ == "__main__":
    main()
