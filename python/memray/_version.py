"""The version, as the distribution was built."""

from ._core import __version__

__all__ = ["__version__"]
