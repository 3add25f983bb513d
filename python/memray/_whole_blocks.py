"""Copying a capture that is being written.

It may end in a block that is half there. The copy ends before it, so that its readers find nothing torn.
"""

from __future__ import annotations

import os
import shutil
import struct

_HEADER = 16  # of the file, and what is read of a block's
_MAGIC = 0x4B4C424D


def _end_of_blocks(path: str, size: int) -> int:
    """Where the last whole block ends, by docs/capture-format.md."""
    end = _HEADER
    with open(path, "rb") as file:
        while True:
            file.seek(end)
            header = file.read(_HEADER)
            if len(header) < _HEADER:
                return min(end, size)
            magic, header_size, _, _, payload = struct.unpack_from("<IHBBI", header)
            if magic != _MAGIC or end + header_size + payload > size:
                return end
            end += header_size + payload


def copy_whole_blocks(source: str, target: str) -> None:
    """The target appears under its name when it is complete."""
    part = f"{target}.part"
    try:
        shutil.copyfile(source, part)
        os.truncate(part, _end_of_blocks(part, os.path.getsize(part)))
        os.replace(part, target)
    except OSError:
        if os.path.exists(part):
            os.unlink(part)
        raise
