"""python -m memray: the memray command."""

from .commands import execute

execute()
