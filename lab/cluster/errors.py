"""The one error that the lab shows to a person. Raised before anything is changed where it can."""

from __future__ import annotations


class LabError(Exception):
    """What is wrong, where, how much, and what to do next, in one line."""
