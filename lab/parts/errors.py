"""The one error of this package, made to be shown to a person as it is."""

from __future__ import annotations


class PartsError(Exception):
    """What is wrong, where, how much, and what to do next, in one line."""
