"""The names of this package under the path by which other projects know them."""

from . import *  # noqa: F403
from . import __all__ as __all__
