"""What Thread objects are renamed to while recording.

Python tells nobody of that (before 3.14). So while something is recorded, the setter of ``Thread.name`` is one that does.
"""

from __future__ import annotations

import sys
from typing import Any, Optional

from . import _core

_watched: Optional[Any] = None  # the class
_original: Optional[Any] = None
_ours: Optional[Any] = None


def watch() -> None:
    """From now on. Threads of a program that has not imported threading yet are not renamed."""
    global _watched, _original, _ours
    threading = sys.modules.get("threading")
    original = vars(getattr(threading, "Thread", object)).get("name")
    if _ours is not None or not isinstance(original, property) or original.fset is None:
        return
    _watched = threading.Thread  # type: ignore[union-attr]
    _original = original
    _ours = property(original.fget, _core.renaming(original.fset), original.fdel, original.__doc__)
    _watched.name = _ours


def unwatch() -> None:
    """Leaves alone what others have put there meanwhile."""
    global _watched, _original, _ours
    if _watched is not None and _watched.__dict__.get("name") is _ours:
        _watched.name = _original
    _watched = _original = _ours = None
