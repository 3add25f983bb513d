"""Progress bars on stderr, where somebody can see them: on a terminal, or in a notebook."""

from __future__ import annotations

import contextlib
import select
import signal
import subprocess
import sys
import time
from typing import Any, Callable, Iterator

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


class _Interrupting:
    """A stream that ends the bar before anything is written to it."""

    def __init__(self, stream: Any, end: Callable[[], None]) -> None:
        self._stream = stream
        self._end = end

    def write(self, text: str) -> Any:
        self._end()
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def moving_bar(label: str) -> Iterator[None]:
    """A bar on the terminal that moves as long as this lasts and nothing is written, from a second on.

    A process of its own draws it: a thread would be part of what is recorded meanwhile, and would wait for the GIL.
    """
    if not sys.stderr.isatty() or not sys.executable:
        yield
        return
    try:
        drawing = subprocess.Popen([sys.executable, "-I", "-S", __file__, label], stdin=subprocess.PIPE)
    except OSError:
        yield
        return

    def end() -> None:
        if drawing.stdin is not None and not drawing.stdin.closed:
            drawing.stdin.close()
            drawing.wait()

    before = {name: getattr(sys, name) for name in ("stdout", "stderr")}
    ours = {name: _Interrupting(stream, end) for name, stream in before.items()}
    for name in ours:
        setattr(sys, name, ours[name])
    try:
        yield
    finally:
        end()
        for name in ours:
            if getattr(sys, name) is ours[name]:  # else it was replaced, to stay so
                setattr(sys, name, before[name])


def _draw(label: str) -> None:
    """Until there is no more to be read from stdin."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    start = time.monotonic()
    part = _WIDTH // 4
    shown = False
    while not select.select([sys.stdin], [], [], 0.2)[0]:
        passed = time.monotonic() - start
        if passed < 1.0:
            continue
        at = int(passed * 10) % (_WIDTH + part)
        bar = "".join("━" if at - part <= i < at else " " for i in range(_WIDTH))
        sys.stderr.write(f"\r{label} {bar} {int(passed)} s")
        sys.stderr.flush()
        shown = True
    if shown:
        sys.stderr.write("\r\033[K")


if __name__ == "__main__":
    _draw(sys.argv[1])
