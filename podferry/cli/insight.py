"""Asks the leading controller what it sees and would do, through the API server's pod proxy.

Owns finding the leader, the short-lived token that it wants to see, and words for everything
that can be missing: the installation, a leader, rights. Renders nothing and changes nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any

import click

from podferry.api.clock import Clock
from podferry.cli import exits
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from podferry.wire import names

Object = dict[str, Any]
SYSTEM = names.SYSTEM_NAMESPACE
TOKEN_SECONDS = 600
"""The shortest life of a token that the API server grants [s]."""
RENEW_SECONDS = 480.0
"""A token is used for so long [s]."""
PATIENCE_SECONDS = 15.0
"""So long another leader is waited for: a Lease of a dead one runs out after 8 s [s]."""
PAUSE_SECONDS = 1.0
LOOK = f"kubectl -n {SYSTEM} get pods -o wide"
BIND = f"kubectl -n {SYSTEM} create rolebinding podferry-insight --role=podferry-insight --user=YOU"
_AGAIN = ("NotLeading", "NoLeader", "Starting", "NotChecked", "TooManyTokens", "ServiceUnavailable")
"""Reasons of answers after which another try may help."""


class NoInsight(click.ClickException):
    """Why nothing can be shown and what to do; exit code 1."""

    exit_code = exits.ENDED_OTHERWISE

    def show(self, file: Any = None) -> None:
        """Print it as every other failure of this program is printed."""
        click.echo(f"podferry: {self.message}", err=True, file=file)


class Asker:
    """Asks again and again with one token; for one command."""

    def __init__(self, client: ApiClient, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._token, self._token_at = "", 0.0

    async def ask(self, *, node: str = "", parts: tuple[str, ...] = ()) -> Object:
        """Return what the leader tells, as `controller/core/rescue/README.md` describes it.

        Raises:
            NoInsight: not installed, nobody leads, or no right to it; says what to do.
            ApiError: the API server is away.
        """
        start = self._clock.monotonic()
        while True:
            try:
                return await self._once(node, parts)
            except errors.ApiError as error:
                # The pod may be gone with its Lease not yet run out, and answers come from it.
                passing = error.reason in _AGAIN or isinstance(error, errors.NotFound)
                if not passing or self._clock.monotonic() - start > PATIENCE_SECONDS:
                    raise self._in_words(error) from error
            await asyncio.sleep(PAUSE_SECONDS)

    async def _once(self, node: str, parts: tuple[str, ...]) -> Object:
        leader = await self._leader()
        if not leader:
            raise errors.Unavailable(503, "NoLeader", "nobody holds the Lease")
        path = paths.pod_proxy(SYSTEM, leader, names.INSIGHT_PORT, names.INSIGHT_PATH)
        params = {"node": node or None, "parts": ",".join(parts) or None}
        headers = {names.TOKEN_HEADER: await self._valid_token()}
        return await self._client.raw("GET", path, params=params, headers=headers)

    async def _leader(self) -> str:
        try:
            lease = await self._client.get(paths.leases(SYSTEM, names.CONTROLLER_LEASE))
        except errors.NotFound as error:
            raise NoInsight(
                f"no controller ever led here (no Lease {SYSTEM}/{names.CONTROLLER_LEASE}): "
                f"install podferry (podferry install), or look at its pods: {LOOK}"
            ) from error
        except errors.Forbidden as error:
            raise _no_right(error, f"get leases/{names.CONTROLLER_LEASE}") from error
        return str((lease.get("spec") or {}).get("holderIdentity") or "")

    async def _valid_token(self) -> str:
        now = self._clock.monotonic()
        if self._token and now - self._token_at < RENEW_SECONDS:
            return self._token
        spec = {"audiences": [names.INSIGHT_AUDIENCE], "expirationSeconds": TOKEN_SECONDS}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = paths.service_accounts(SYSTEM, names.VIEWER, "token")
        try:
            answer = await self._client.create(path, body)
        except errors.NotFound as error:
            raise NoInsight(
                f"there is no service account {SYSTEM}/{names.VIEWER}: the podferry that is "
                "installed there is older than this program; podferry install"
            ) from error
        except errors.Forbidden as error:
            raise _no_right(error, f"create serviceaccounts/token of {names.VIEWER}") from error
        self._token, self._token_at = str(answer["status"]["token"]), now
        return self._token

    def _in_words(self, error: errors.ApiError) -> Exception:
        if error.reason in ("NoLeader", "NotLeading") or isinstance(error, errors.NotFound):
            return NoInsight(
                f"no controller leads, waited {PATIENCE_SECONDS:.0f} s: nothing is watched and "
                f"nothing is moved until one does; look at its pods: {LOOK}"
            )
        if error.reason == "Starting":
            return NoInsight(
                "the controller leads but has not looked at any node yet, waited "
                f"{PATIENCE_SECONDS:.0f} s; its log says why: kubectl -n {SYSTEM} logs -l "
                "app.kubernetes.io/name=podferry-controller"
            )
        if error.reason == "ServiceUnavailable":
            return NoInsight(
                f"the API server does not reach the leader's port {names.INSIGHT_PORT}: "
                f"{error.message}; allow the API server to reach pods in {SYSTEM}, or look: {LOOK}"
            )
        if error.reason in ("BadToken", "NotViewer", "NoToken"):
            return NoInsight(f"the controller does not take our token: {error.message}")
        if isinstance(error, errors.Forbidden):
            return _no_right(error, "get pods/proxy")
        return error


def _no_right(error: errors.ApiError, right: str) -> Exception:
    if error.status != 403:
        return error  # our own credentials are not valid: the server's words are the better ones
    return NoInsight(
        f"you lack the right `{right}` in namespace {SYSTEM}; an administrator gives all that is "
        f"needed: {BIND}"
    )
