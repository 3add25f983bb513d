"""The memray command, from within Python.

``python -m memray`` and the installed script replace themselves by the command; ``main`` runs it beside the calling
program and writes to whatever ``sys.stdout`` and ``sys.stderr`` are.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import IO, List, NoReturn, Optional, TextIO

from .._installation import command

_USAGE_ERROR = 2


def execute() -> NoReturn:
    """Becomes the memray command with the arguments of this process."""
    words = command(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(words[0], ["memray", *words[1:]])


def _descriptor(stream: TextIO) -> Optional[int]:
    """The file descriptor behind a stream, if what is written there comes out of the stream."""
    try:
        stream.flush()
        return stream.fileno() if stream is sys.__stdout__ else None
    except (OSError, ValueError, AttributeError):
        return None


class _Pump(threading.Thread):
    """Hands on what a process writes, as it comes."""

    def __init__(self, source: IO[bytes], target: TextIO) -> None:
        super().__init__(name="memray output", daemon=True)
        self._source = source
        self._target = target
        self.beginning = b""
        self.start()

    def run(self) -> None:
        import codecs

        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            data = os.read(self._source.fileno(), 1 << 16)
            if len(self.beginning) < 16:
                self.beginning += data
            self._target.write(decoder.decode(data, final=not data))
            self._target.flush()
            if not data:
                return


def main(argv: Optional[List[str]] = None) -> int:
    """Runs a memray command and returns its exit code, for ``memray run`` that of the program.

    SystemExit with code 2 for arguments that make no sense.

    Example::

        memray.commands.main(["flamegraph", "-f", "-o", "report.html", "capture.bin"])
    """
    arguments = sys.argv[1:] if argv is None else [os.fspath(word) for word in argv]
    stdout = _descriptor(sys.stdout)
    process = subprocess.Popen(
        command(arguments), stdout=subprocess.PIPE if stdout is None else stdout, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    errors = _Pump(process.stderr, sys.stderr)
    output = _Pump(process.stdout, sys.stdout) if process.stdout is not None else None
    try:
        code = process.wait()
    except BaseException:  # Ctrl-C went to the command as well
        process.wait()
        raise
    finally:
        errors.join()
        process.stderr.close()
        if output is not None and process.stdout is not None:
            output.join()
            process.stdout.close()
    if code == _USAGE_ERROR and errors.beginning.startswith(b"Usage: memray"):
        raise SystemExit(_USAGE_ERROR)
    return code if code >= 0 else 128 - code


__all__ = ["main"]
