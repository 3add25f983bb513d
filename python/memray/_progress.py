"""A progress bar on stderr, where somebody can see it: on a terminal, or in a notebook."""

from __future__ import annotations

import sys
import time

_WIDTH = 40


def _is_seen() -> bool:
    return sys.stderr.isatty() or "ipykernel" in sys.modules


class Progress:
    """Called with a fraction in [0, 1], as often as one likes. Shows nothing in the first half second."""

    def __init__(self, label: str = "Processing allocation records") -> None:
        self._label = label
        self._shown = 0.0
        self._start = time.monotonic()
        self._visible = False

    def __call__(self, fraction: float) -> None:
        now = time.monotonic()
        if fraction >= 1.0:
            self.clear()
            self._start = now
        elif now - self._start > 0.5 and now - self._shown > 0.1 and _is_seen():
            self._shown = now
            self._visible = True
            done = int(fraction * _WIDTH)
            bar = "━" * done + " " * (_WIDTH - done)
            sys.stderr.write(f"\r{self._label} {bar} {fraction:4.0%}")
            sys.stderr.flush()

    def clear(self) -> None:
        if self._visible:
            sys.stderr.write("\r" + " " * (len(self._label) + _WIDTH + 6) + "\r")
            sys.stderr.flush()
            self._visible = False
