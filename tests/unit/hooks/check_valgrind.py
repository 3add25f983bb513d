"""Whole programs: allocations, frees and bytes agree with what valgrind counts.

usage: check_valgrind.py PLUGIN RECORDER WORKDIR
"""

import os
import re
import subprocess
import sys

plugin, recorder, folder = sys.argv[1:]
# __libc_freeres, which valgrind runs at exit to free what libc keeps, is not the program.
VALGRIND = ["valgrind", "--run-libc-freeres=no", "--run-cxx-freeres=no"]

os.makedirs(folder, exist_ok=True)
script = os.path.join(folder, "query.awk")
with open(script, "w") as out:
    out.write('BEGIN { for (i = 0; i < 3000; i++) a[i % 700] = a[i % 700] "x" i; n = asort_(a); print n }\n')
    out.write("function asort_(a, k, n) { for (k in a) n += length(a[k]); return n }\n")
source = os.path.join(folder, "source.ii")
with open(source, "w") as out:
    out.write("template <class T> struct List { T head; List<T>* tail; };\n")
    out.write("long sum(List<long>* l) { long s = 0; for (; l; l = l->tail) s += l->head; return s; }\n")
compiler = subprocess.run(["g++", "-print-prog-name=cc1plus"], capture_output=True, text=True).stdout.strip()
# Programs that do not keep a copy of the environment: there the two runs differ.
PROGRAMS = [
    ["ls", "-lR", "/usr/share/doc/libc6"],
    ["awk", "-f", script],
    ["sort", "-n", script],
    [compiler, "-quiet", "-fpreprocessed", source, "-o", os.devnull],
]


def counted_by_valgrind(command):
    result = subprocess.run([*VALGRIND, *command], capture_output=True, text=True)
    found = re.search(r"total heap usage: ([\d,]+) allocs, ([\d,]+) frees, ([\d,]+) bytes", result.stderr)
    return tuple(int(n.replace(",", "")) for n in found.groups())


def counted_by_hooks(command):
    report = os.path.join(folder, "report")
    env = dict(os.environ, LD_PRELOAD=f"{plugin}:{recorder}", HOOKS_TEST_PLUGIN=plugin, HOOKS_TEST_REPORT=report)
    subprocess.run(command, env=env, capture_output=True, check=True)
    with open(report) as file:
        *counts, overflow = map(int, file.read().split())
    assert not overflow
    return tuple(counts)


# cc1plus hashes addresses, so with address space randomisation some of its tables grow in one run and not in the next:
# one allocation more or less, of at most 64 KiB, freed by nobody. Few tables are on that edge.
TABLES = 4


def explained(counts, valgrind):
    return (
        counts[1] == valgrind[1]
        and abs(counts[0] - valgrind[0]) <= TABLES
        and abs(counts[2] - valgrind[2]) <= TABLES * 65536
    )


failed = False
for command in PROGRAMS:
    valgrind = counted_by_valgrind(command)
    counts = counted_by_hooks(command)
    print(os.path.basename(command[0]), "hooks", counts, "valgrind", valgrind)
    hashes_addresses = os.path.basename(command[0]) == "cc1plus"
    failed |= counts != valgrind and not (hashes_addresses and explained(counts, valgrind))
sys.exit(failed)
