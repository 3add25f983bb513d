"""A correct measurement does not disturb what it measures: a program makes as many allocations under memray as without.

The count without is that of counter.c, which shares nothing with memray. Both count from the process's first instruction to its last.
"""
import ctypes
import json
import os
import pathlib
import struct
import subprocess

import python_programs

HERE = pathlib.Path(__file__).resolve().parent


def fix_addresses():
    """CPython keeps a tree of its arenas, by address: where it has one node more depends on where the kernel puts things."""
    ADDR_NO_RANDOMIZE = 0x0040000
    ctypes.CDLL(None).personality(ADDR_NO_RANDOMIZE)


def run(command, folder, environment):
    command = [str(part) for part in command]
    subprocess.run(command, check=True, env=environment, cwd=folder, stdout=subprocess.DEVNULL, preexec_fn=fix_addresses)


def build_counter(folder):
    library = pathlib.Path(folder) / "counter.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", HERE / "counter.c", "-o", library], check=True)
    return library


def counted(library, command, python_allocators, folder):
    """Allocations that the command makes, by the counter: (of malloc's family, of Python's allocators)."""
    file = pathlib.Path(folder) / "counts"
    environment = {**os.environ, "PYTHONHASHSEED": "0", "LD_PRELOAD": str(library), "COUNTER_FILE": str(file)}
    if python_allocators:
        environment["COUNTER_PYTHON"] = "1"
    run(command, folder, environment)
    return struct.unpack("QQ", file.read_bytes()[:16])


def recorded(memray, python, script, python_allocators, folder):
    """The same, by memray."""
    capture = pathlib.Path(folder) / "disturbance.bin"
    options = ["--trace-python-allocators"] if python_allocators else []
    command = [memray, "run", "-q", "-f", "--startup", "-o", capture, "--python", python, *options, *script]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    run(command, folder, environment)
    out = capture.with_suffix(".json")
    subprocess.run([str(memray), "stats", "--json", "-f", "-o", out, capture], check=True, stdout=subprocess.DEVNULL)
    kinds = json.loads(out.read_text())["allocator_type_distribution"]
    python_count = sum(count for kind, count in kinds.items() if kind.startswith("PYMALLOC"))
    heap = sum(count for kind, count in kinds.items() if not kind.startswith(("PYMALLOC", "MMAP")))
    return heap, python_count


def table(options, python, folder):
    library = build_counter(folder)
    print("\n### Allocations of the whole process: counted by bench/counter.c, recorded by memray\n")
    print("| program | malloc counted | recorded | Python's allocators counted | recorded |\n|---|--:|--:|--:|--:|")
    for name in options.only.split(",") if options.only else python_programs.PROGRAMS:
        script = python_programs.target(python, name)
        cells = []
        for python_allocators in (False, True):
            which = 1 if python_allocators else 0
            cells.append(counted(library, [python, *script], python_allocators, folder)[which])
            cells.append(recorded(options.memray, python, script, python_allocators, folder)[which])
        print(f"| {name} | {' | '.join(f'{cell:,}' for cell in cells)} |", flush=True)
