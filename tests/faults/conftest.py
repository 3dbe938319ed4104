"""The fault tests use the lab's fixtures."""

from __future__ import annotations

from tests.lab.conftest import ferry, lab, moves, namespace

__all__ = ["ferry", "lab", "moves", "namespace"]
