"""Where the parts of memray that are no Python are: the command, the recorder, the plugins."""

from __future__ import annotations

import os
import sys
from typing import List

ROOT: str = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_native")
RECORDER: str = os.path.join(ROOT, "lib", "memray", "libmemray-recorder.so")
COMMAND: str = os.path.join(ROOT, "bin", "memray")


def interpreter() -> List[str]:
    """The running interpreter with its options, to start another one like it."""
    import subprocess

    flags = list(subprocess._args_from_interpreter_flags())  # type: ignore[attr-defined]
    given = {flag[2:].partition("=")[0] for flag in flags if flag.startswith("-X")}
    given.update(option.partition("=")[0] for flag, option in zip(flags, flags[1:]) if flag == "-X")
    for name, value in sys._xoptions.items():
        if name not in given:
            flags += ["-X", name if value is True else f"{name}={value}"]
    return [sys.executable or "python3", *flags]


def command(arguments: List[str]) -> List[str]:
    """The command line that runs memray's command, with this interpreter as the one for scripts."""
    return [COMMAND, *(f"--from-python={word}" for word in interpreter()), *arguments]
