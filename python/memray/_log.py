"""Messages on stderr: ``Memray WARNING: text``."""

from __future__ import annotations

import operator
import sys

DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40
_NAMES = {DEBUG: "DEBUG", INFO: "INFO", WARNING: "WARNING", ERROR: "ERROR"}
_threshold = WARNING


def set_log_level(level: int) -> None:
    """Shows messages from this level on, numbered as in the module logging. The default is logging.WARNING.

    Example::

        memray.set_log_level(logging.ERROR)
    """
    global _threshold
    _threshold = operator.index(level)


def log(level: int, text: str) -> None:
    if level >= _threshold:
        print(f"Memray {_NAMES[level]}: {text}", file=sys.stderr)
