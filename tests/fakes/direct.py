"""The fake API server without a network: for tests in virtual time, and for answers that get lost.

    client = DirectClient(server)
    client.fault = lambda method, path: "away"

A fault is "away", "lost" (done, but nobody is told), a Refused, or None. Only the calls that
writers make: get, create, merge_patch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from podferry.kube import errors
from tests.fakes.apiserver import FakeApiServer
from tests.fakes.model import Object, Recorded, Refused, target_of


class DirectClient:
    """See the module. `sent` holds method and path of each request that was tried."""

    def __init__(self, server: FakeApiServer) -> None:
        self._server = server
        self.fault: Callable[[str, str], str | Refused | None] = lambda _method, _path: None
        self.sent: list[tuple[str, str]] = []

    async def get(self, path: str) -> Object:
        return self._ask("GET", path)

    async def create(self, path: str, body: Mapping[str, Any]) -> Object:
        return self._ask("POST", path, dict(body))

    async def merge_patch(self, path: str, body: Mapping[str, Any]) -> Object:
        return self._ask("PATCH", path, dict(body), "application/merge-patch+json")

    def _ask(self, method: str, path: str, body: Any = None, kind: str = "") -> Object:
        self.sent.append((method, path))
        fault = self.fault(method, path)
        if fault == "away":
            raise errors.ConnectionFailed("the API server is away", sent=False)
        try:
            if isinstance(fault, Refused):
                raise fault
            seen = Recorded(method, path, {}, body, kind)
            _code, answer = self._server._answer(seen, target_of(path))
        except Refused as refused:
            raise errors.from_answer(
                refused.code, reason=refused.reason, request=f"{method} {path}",
                said=refused.message,
            ) from None  # fmt: skip
        if fault == "lost":
            raise errors.Timeout("no answer within its time limit")
        return answer
