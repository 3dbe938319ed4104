"""What a person gave that cannot be simulated: one line with the place. It prints nothing."""

from __future__ import annotations


class BadInput(ValueError):
    """One clear line: where, what is wrong, what to do. Nothing was written."""


class TooLarge(BadInput):
    """Larger than the memory that may be used for it; the line names the limit."""


class MissingExtra(RuntimeError):
    """The simulator's own libraries are not installed; the line says how to get them."""

    def __init__(self, module: str) -> None:
        super().__init__(
            f"the simulator needs {module}, which is not installed: "
            "pip install 'podferry[simulator]'"
        )
