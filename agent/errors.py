"""The agent's errors that a caller sees: each has a reason and a sentence. No behaviour."""

from __future__ import annotations

from podferry.api.errors import PodferryError


class AgentError(PodferryError):
    """Work that failed. `reason` is one CamelCase word, `message` says what and what to do."""

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"

    def to_dict(self) -> dict[str, str]:
        """As sent in `Observed.error` and in error bodies."""
        return {"reason": self.reason, "message": self.message}


class Refused(AgentError):
    """A request that is not carried out; answered with `status` (400, 403, 404 or 409)."""

    def __init__(self, reason: str, message: str, *, status: int = 409) -> None:
        super().__init__(reason, message)
        self.status = status
