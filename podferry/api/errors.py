"""One root for every error of podferry; `reason` is a `Reason` value."""

from __future__ import annotations


class PodferryError(Exception):
    """An error with a reason for machines and a message for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class PreconditionError(PodferryError):
    """Refused before anything was touched."""


class RetryableError(PodferryError):
    """May go through later."""

    def __init__(self, reason: str, message: str, *, retry_after_seconds: float = 1.0) -> None:
        super().__init__(reason, message)
        self.retry_after_seconds = retry_after_seconds


class TerminalError(PodferryError):
    """Will not go through by waiting."""
