"""The exceptions of this package."""

from __future__ import annotations


class MemrayError(Exception):
    """Anything that memray refuses to do, in one line.

    Example::

        try:
            reader.__enter__()
        except memray.MemrayError as error:
            print(error)
    """


class MemrayCommandError(MemrayError):
    """A command failed; ``exit_code`` is what the command line would have returned.

    Example::

        try:
            memray.dump_all_records("capture.bin")
        except memray.MemrayCommandError as error:
            sys.exit(error.exit_code)
    """

    def __init__(self, *args: object, exit_code: int) -> None:
        super().__init__(*args)
        self.exit_code = exit_code
