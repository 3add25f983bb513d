"""Holds known blocks at a known peak, drops them, and leaks one for good. Prints JSON: sizes in bytes as the allocator sees them."""
import ctypes
import json
import mmap
import sys


def keep():
    return bytearray(10_000_000)


def spike():
    return [bytearray(3_000_000) for _ in range(10)]


def late():
    return bytearray(5_000_000)


def mapped():
    return mmap.mmap(-1, 2_000_896)


kept = keep()
mapping = mapped()
blocks = spike()
truth = {"keep": kept.__alloc__(), "mapped": 2_000_896, "spike": sum(block.__alloc__() for block in blocks)}
del blocks
mapping.close()

last = late()
truth["late"] = last.__alloc__()
# One reference more than anybody will give back.
ctypes.pythonapi.Py_IncRef(ctypes.py_object(last))
del kept

print(json.dumps(truth))
sys.stdout.flush()
