"""Compiles the inner loops where numba is installed; without it the same functions run as Python.

Owns where the compiled code is kept: one folder per state of these sources, so that no edit of one
file ever meets machine code made from another. It computes nothing of a simulation.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

try:
    import numba
except ImportError:  # the extra `simulator` is not installed
    numba = None

COMPILED = numba is not None
"""Whether the inner loops run as machine code; without it a run takes some 100 times as long."""


def _folder() -> str:
    """Return the cache folder for the sources as they are now."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).resolve().parent.glob("*.py")):
        digest.update(path.read_bytes())
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return str(Path(base) / "podferry" / "numba" / digest.hexdigest()[:16])


if COMPILED and not os.environ.get("NUMBA_CACHE_DIR"):
    numba.config.CACHE_DIR = _folder()


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function as machine code, with the same results to the bit."""
    if not COMPILED:
        return function
    made: Callable[P, R] = numba.njit(cache=True, nogil=True)(function)
    return made
