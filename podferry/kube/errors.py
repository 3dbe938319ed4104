"""Errors of the API server, translated once (in `client`), with messages for people.

Owns the mapping from HTTP answers and broken connections to classes. `outcome_unknown` is the
fact that a caller must not guess about: after such an error of a write, read again.
"""

from __future__ import annotations

from podferry.api.errors import PodferryError


class ApiError(PodferryError):
    """The API server refused or failed a request, or could not be asked.

    `status` is the HTTP code (0: no answer). `outcome_unknown` is True when the request may or
    may not have taken effect.
    """

    outcome_unknown = False

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.status = status


class NotFound(ApiError):
    """404: the object or the kind does not exist."""


class Conflict(ApiError):
    """409: the object changed since it was read, a precondition failed, or a field is owned."""


class AlreadyExists(Conflict):
    """409 on create: an object of that name exists."""


class Forbidden(ApiError):
    """401 or 403: our credentials do not allow it."""


class Invalid(ApiError):
    """400, 415 or 422: the server does not accept what we sent; sending it again is useless."""


class Gone(ApiError):
    """410: the resource version or continue token is too old; list again."""


class ServerFailed(ApiError):
    """5xx: the server failed on the way; a write may have taken effect."""

    outcome_unknown = True


class Unavailable(ApiError):
    """429 or 503: overloaded or not ready. `retry_after` is in seconds, None if not said."""

    def __init__(
        self, status: int, reason: str, message: str, *, retry_after: float | None = None
    ) -> None:
        super().__init__(status, reason, message)
        self.retry_after = retry_after
        # A 503 can come from behind the server (an aggregated API, a proxy) after the write.
        self.outcome_unknown = status != 429


class ConnectionFailed(ApiError):
    """No complete answer came. Unknown outcome unless the connection was never made."""

    outcome_unknown = True

    def __init__(
        self, message: str, *, sent: bool = True, reason: str = "ConnectionFailed"
    ) -> None:
        super().__init__(0, reason, message)
        self.outcome_unknown = sent


class Timeout(ConnectionFailed):
    """No answer within our own time limit; the outcome is unknown."""

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message, sent=sent, reason="Timeout")


def from_answer(
    status: int,
    *,
    reason: str,
    request: str,
    said: str,
    retry_after: float | None = None,
) -> ApiError:
    """Return the error for an answer of the server.

    Args:
        status: the HTTP code, or the `code` of a Status in a watch.
        reason: the machine-readable reason of the Status; may be empty.
        request: what was asked, in words, with the object.
        said: the server's own message.
        retry_after: seconds to wait as told by the server.
    """
    reason = reason or f"HTTP{status}"
    said = said.strip() or "(the server gave no message)"

    def text(hint: str) -> str:
        return f"{request}: the API server answered {status} {reason}: {said}{hint}"

    if status == 404:
        return NotFound(status, reason, text(""))
    if status == 409:
        if reason == "AlreadyExists":
            return AlreadyExists(status, reason, text(""))
        return Conflict(status, reason, text(" (read the object again and decide anew)"))
    if status in (401, 403):
        hint = " (check the credentials and the RBAC rules of this client)"
        return Forbidden(status, reason, text(hint))
    if status in (400, 405, 415, 422):
        return Invalid(status, reason, text(""))
    if status == 410:
        return Gone(status, reason, text(" (list again)"))
    if status in (429, 503):
        wait = f" (retry after {retry_after:g} s)" if retry_after is not None else ""
        return Unavailable(status, reason, text(wait), retry_after=retry_after)
    if status >= 500:
        return ServerFailed(status, reason, text(" (a write may have taken effect: read again)"))
    return ApiError(status, reason, text(""))
