"""Who may read what the leader knows: whoever holds a token of one account for one audience.

Owns the check by TokenReview, how long an answer is remembered and how often the API server is
asked: everybody on the pod network can send tokens. Never decides what is shown.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass

from podferry.api.clock import Clock
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from podferry.wire import names

REMEMBERED_SECONDS = 60.0
"""So long a verdict holds, also of a token that is revoked meanwhile [s]."""
MOST_REMEMBERED = 1000
REVIEWS_PER_SECOND = 20
LONGEST_TOKEN = 8192
"""Bytes; tokens of service accounts have about 1 KiB."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing is shown: HTTP code, reason for programs, words for people."""

    status: int
    reason: str
    message: str


class Viewers:
    """Checks tokens; `namespace` is that of the service account `podferry-viewer`."""

    def __init__(self, client: ApiClient, clock: Clock, *, namespace: str) -> None:
        self._client, self._clock = client, clock
        self._user = f"system:serviceaccount:{namespace}:{names.VIEWER}"
        self._how = (
            "`podferry plan` and `podferry top` send one by themselves; by hand: "
            f"kubectl -n {namespace} create token {names.VIEWER} "
            f"--audience {names.INSIGHT_AUDIENCE}, as header {names.TOKEN_HEADER}"
        )
        self._known: dict[bytes, tuple[float, Refusal | None]] = {}
        self._asked: deque[float] = deque(maxlen=REVIEWS_PER_SECOND)

    async def refusal(self, token: str) -> Refusal | None:
        """Return why the holder of `token` is refused; None: may read."""
        if not token:
            return Refusal(401, "NoToken", f"a token is needed: {self._how}")
        if len(token) > LONGEST_TOKEN:
            return self._bad(f"it has {len(token)} bytes, at most {LONGEST_TOKEN} are read")
        key = hashlib.sha256(token.encode()).digest()
        now = self._clock.monotonic()
        known = self._known.get(key)
        if known is not None and now - known[0] < REMEMBERED_SECONDS:
            return known[1]
        if len(self._asked) == REVIEWS_PER_SECOND and now - self._asked[0] < 1.0:
            text = f"{REVIEWS_PER_SECOND} unknown tokens in a second are the most; ask again in 1 s"
            return Refusal(429, "TooManyTokens", text)
        self._asked.append(now)
        try:
            verdict = await self._review(token)
        except errors.ApiError as error:
            return Refusal(503, "NotChecked", f"the token could not be checked: {error.message}")
        self._remember(key, now, verdict)
        return verdict

    async def _review(self, token: str) -> Refusal | None:
        """Ask the API server. Raises ApiError."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [names.INSIGHT_AUDIENCE]},
        }
        answer = await self._client.create(paths.token_reviews(), body)
        status = answer.get("status") or {}
        # A server that knows no audiences answers without them: then the token is for anybody.
        if not status.get("authenticated") or names.INSIGHT_AUDIENCE not in (
            status.get("audiences") or []
        ):
            why = status.get("error") or f"it is not for audience {names.INSIGHT_AUDIENCE}"
            return self._bad(str(why))
        user = str((status.get("user") or {}).get("username") or "")
        if user != self._user:
            text = f"{user} may not read this, only {self._user}: {self._how}"
            return Refusal(403, "NotViewer", text)
        return None

    def _bad(self, why: str) -> Refusal:
        return Refusal(401, "BadToken", f"the token is not valid: {why}; {self._how}")

    def _remember(self, key: bytes, now: float, verdict: Refusal | None) -> None:
        self._known.pop(key, None)
        while len(self._known) >= MOST_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[key] = (now, verdict)
