"""The exceptions of this package."""

from __future__ import annotations


class MemrayError(Exception):
    """Anything that memray refuses to do, in one line."""


class MemrayCommandError(MemrayError):
    """A command failed; ``exit_code`` is what the command line would have returned."""

    def __init__(self, *args: object, exit_code: int) -> None:
        super().__init__(*args)
        self.exit_code = exit_code
