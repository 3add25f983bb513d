"""What the running interpreter's file says about its functions."""

from __future__ import annotations

import functools
import os
import struct
import sys
from typing import Set

from ._enums import SymbolicSupport


def _sections(path: str) -> Set[bytes]:
    """The names of the sections of a 64-bit little-endian ELF file."""
    with open(path, "rb") as file:
        header = file.read(64)
        if len(header) < 64 or header[:6] != b"\x7fELF\x02\x01":
            return set()
        offset = struct.unpack_from("<Q", header, 40)[0]
        size, count, names = struct.unpack_from("<HHH", header, 58)
        file.seek(offset)
        table = [struct.unpack_from("<IIQQQQ", file.read(size)) for _ in range(count)]
        if not table:
            return set()
        file.seek(table[names][4])
        texts = file.read(table[names][5])
    return {texts[entry[0] : texts.index(b"\0", entry[0])] for entry in table}


def _interpreter_file() -> str:
    """The object with the interpreter in it: the shared library, if it is one."""
    with open("/proc/self/maps") as maps:
        for line in maps:
            path = line.split(maxsplit=5)[-1].rstrip("\n")
            if os.path.basename(path).startswith("libpython3."):
                return path
    return os.path.realpath(sys.executable or "/proc/self/exe")


@functools.lru_cache(maxsize=None)
def get_symbolic_support() -> SymbolicSupport:
    """How much native stacks can tell about the running interpreter's own functions.

    NONE: it is stripped; FUNCTION_NAME_ONLY: it has a symbol table; TOTAL: debug information with files and lines.

    Example::

        if memray.get_symbolic_support() == memray.SymbolicSupport.NONE:
            print("native stacks will have no names of Python's own functions")
    """
    sections = _sections(_interpreter_file())
    if sections & {b".debug_info", b".zdebug_info"}:
        return SymbolicSupport.TOTAL
    if b".symtab" in sections:
        return SymbolicSupport.FUNCTION_NAME_ONLY
    return SymbolicSupport.NONE
