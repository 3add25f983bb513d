"""Prints line tables and what this interpreter itself makes of them, for line_table_test.cc.

For each code object: `code KIND FIRST_LINE TABLE`, the table in hexadecimal, then `at OFFSET LINE` for each instruction
(line 0: none).
"""

import dis
import os
import sys

MODULES = ["argparse", "ast", "asyncio.base_events", "dataclasses", "enum", "inspect", "json.encoder", "typing"]

CRAFTED = """
def far_apart(x):
    a = 1
%s
    return [
        a
        for _ in x
        if _
    ] or {
        1: x,
        2:
            far_apart(
                x
            ),
    }
def backwards(x):
    while (x and
           x.y(
               1)):
        try:
            x = (x
                 .z)
        finally:
            with x as y, \\
                 y as z:
                del x
    else:
        raise x
lambda: (
  1 +
  far_apart
)
""" % (
    "\n" * 700
)


def lines(code):
    if hasattr(code, "co_lines"):
        for start, end, line in code.co_lines():
            for offset in range(start, end, 2):
                yield offset, line or 0
        return
    starts = dict(dis.findlinestarts(code))
    line = code.co_firstlineno
    for offset in range(0, len(code.co_code), 2):
        line = starts.get(offset, line)
        yield offset, line


def show(code):
    kind = 1 if sys.version_info < (3, 10) else 2 if sys.version_info < (3, 11) else 3
    table = code.co_lnotab if kind == 1 else code.co_linetable
    print("code", kind, code.co_firstlineno, table.hex() or "-")
    for offset, line in lines(code):
        print("at", offset, line)
    for constant in code.co_consts:
        if hasattr(constant, "co_code"):
            show(constant)


show(compile(CRAFTED, "crafted", "exec"))
for module in MODULES:
    path = os.path.join(os.path.dirname(os.__file__), *module.split(".")) + ".py"
    with open(path, encoding="utf-8") as file:
        show(compile(file.read(), path, "exec"))
