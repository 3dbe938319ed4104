"""The API server as seen by podferry: raw dicts in, raw dicts out, errors translated once.

Owns transport: where the server is, TLS, tokens (read anew in pods), time limits, error
translation. The only module that imports `kubernetes`, and only its `aio` transport: no typed
models (slow to parse, and a typed PUT drops unknown fields), no retries (a caller that does not
know the outcome must read again, see `errors`).
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
from kubernetes.aio import config as kubernetes_config
from kubernetes.aio.client import ApiClient as _Transport
from kubernetes.aio.client import Configuration

from podferry.kube import errors
from podferry.kube.lines import lines
from podferry.kube.wording import Params, describe

PAGE_SIZE = 500
"""Objects a page of a list; what client-go uses."""
REQUEST_SECONDS = 30.0
"""Time limit of one ordinary request, connection included [s]."""
CONNECT_SECONDS = 5.0
"""Time limit for a connection to be made [s]."""
WATCH_SILENCE_SECONDS = 70.0
"""A watch with no byte for so long is dead: bookmarks come about every 60 s [s]."""

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
Keep = Callable[[dict[str, Any]], Any]
_LOOPBACK = ("localhost", "127.", "::1")


class ApiClient:
    """A connection to one API server. Make it with `connect`, end it with `close`."""

    def __init__(self, configuration: Any, *, default_namespace: str = "default") -> None:
        self.default_namespace = default_namespace
        configuration.connection_pool_maxsize = 100
        host = urlsplit(configuration.host).hostname or ""
        if host.startswith(_LOOPBACK):
            # A proxy of the environment cannot reach our own loopback address.
            configuration.client_session_kwargs = {"trust_env": False}
        self._transport: Any = _Transport(configuration)
        self._transport.user_agent = "podferry"
        self._server: str = configuration.host

    @property
    def server(self) -> str:
        """URL of the API server."""
        return self._server

    @classmethod
    async def connect(
        cls, *, kubeconfig: str | None = None, context: str | None = None
    ) -> ApiClient:
        """Find the API server and its credentials; sends nothing yet.

        Args:
            kubeconfig: a file; default `$KUBECONFIG`, then `~/.kube/config`, then the service
                account of this pod.
            context: of the kubeconfig; default its current one.

        Raises:
            ConnectionFailed: no usable configuration; nothing was sent.
        """
        configuration = Configuration()
        path = kubeconfig or os.environ.get("KUBECONFIG")
        home = Path.home() / ".kube" / "config"
        if not path and home.exists():
            path = str(home)
        try:
            if path:
                loader: Any = await kubernetes_config.load_kube_config(
                    config_file=path, context=context, client_configuration=configuration
                )
                chosen = loader.current_context["context"]
                namespace = chosen.get("namespace") or "default"
            else:
                kubernetes_config.load_incluster_config(client_configuration=configuration)
                namespace = _pod_namespace()
        except (kubernetes_config.ConfigException, OSError) as error:
            where = f"kubeconfig {path}" if path else "service account of this pod"
            raise errors.ConnectionFailed(
                f"no API server to talk to ({where}): {error}. "
                "Set KUBECONFIG or name a kubeconfig file",
                sent=False,
            ) from error
        return cls(configuration, default_namespace=namespace)

    @classmethod
    def for_url(
        cls, url: str, *, token: str | None = None, ca_file: str | None = None
    ) -> ApiClient:
        """Return a client for a known URL; for tests and for servers without a kubeconfig."""
        configuration = Configuration()
        configuration.host = url.rstrip("/")
        configuration.ssl_ca_cert = ca_file
        if token:
            configuration.api_key["BearerToken"] = f"Bearer {token}"
        return cls(configuration)

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()

    async def __aenter__(self) -> ApiClient:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def get(self, path: str, *, params: Params | None = None) -> dict[str, Any]:
        """Read one object from the quorum. Raises ApiError."""
        return await self.raw("GET", path, params=params)

    async def list(
        self,
        path: str,
        *,
        params: Params | None = None,
        page_size: int = PAGE_SIZE,
        keep: Keep = lambda item: item,
    ) -> dict[str, Any]:
        """Read a whole collection, page by page, as one list object. Raises ApiError.

        Every item carries `apiVersion` and `kind`, as in a watch (the server leaves them out).
        When a page token expires the list is read once more in one piece. `keep` says what is
        kept of an item: with it a large collection is never in memory as a whole.
        """
        try:
            return await self._list_pages(path, params, keep, limit=page_size)
        except errors.Gone:
            return await self._list_pages(path, params, keep, limit=None)

    async def _list_pages(
        self, path: str, params: Params | None, keep: Keep, *, limit: int | None
    ) -> dict[str, Any]:
        items: list[Any] = []
        token: str | None = None
        while True:
            query: dict[str, str | int | bool | None] = dict(params or {})
            query.update({"limit": limit, "continue": token})
            page = await self.raw("GET", path, params=query)
            kind = str(page.get("kind", "")).removesuffix("List")
            for item in page.get("items") or []:
                item.setdefault("apiVersion", page.get("apiVersion"))
                item.setdefault("kind", kind)
                items.append(keep(item))
            token = page.get("metadata", {}).get("continue")
            if not token:
                return {**page, "items": items}

    async def create(
        self, path: str, body: Mapping[str, Any], *, params: Params | None = None
    ) -> dict[str, Any]:
        """POST to a collection. Raises AlreadyExists, other ApiError."""
        return await self.raw("POST", path, body=body, params=params)

    async def update(
        self, path: str, body: Mapping[str, Any], *, params: Params | None = None
    ) -> dict[str, Any]:
        """PUT a whole raw object, a compare-and-swap if it has a version. Raises Conflict.

        A Conflict may be the echo of this very write, sent twice over a broken connection: read
        the object before deciding what happened.
        """
        return await self.raw("PUT", path, body=body, params=params)

    async def delete(
        self,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Params | None = None,
    ) -> dict[str, Any]:
        """DELETE; `body` is DeleteOptions (preconditions, gracePeriodSeconds). Raises NotFound."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", **body} if body else None
        return await self.raw("DELETE", path, body=options, params=params)

    async def merge_patch(
        self, path: str, body: Mapping[str, Any], *, params: Params | None = None
    ) -> dict[str, Any]:
        """Merge patch; with `metadata.resourceVersion` a compare-and-swap. Raises Conflict."""
        kind = "application/merge-patch+json"
        return await self.raw("PATCH", path, body=body, params=params, content_type=kind)

    async def json_patch(
        self, path: str, ops: Sequence[Mapping[str, Any]], *, params: Params | None = None
    ) -> dict[str, Any]:
        """JSON patch; a failed `test` operation raises Invalid."""
        kind = "application/json-patch+json"
        return await self.raw("PATCH", path, body=[*ops], params=params, content_type=kind)

    async def apply(
        self, path: str, body: Mapping[str, Any], *, field_manager: str, force: bool = True
    ) -> dict[str, Any]:
        """Server-side apply; creates what is absent. Raises Conflict if not forced."""
        params: Params = {"fieldManager": field_manager, "force": force}
        kind = "application/apply-patch+yaml"
        return await self.raw("PATCH", path, body=body, params=params, content_type=kind)

    async def raw(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Params | None = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = REQUEST_SECONDS,
    ) -> dict[str, Any]:
        """Send one request and return the decoded answer ({"text": ...} if it is not JSON).

        `headers` are sent besides our own: a proxied pod may want some.

        Raises:
            ApiError: see `errors`; `Timeout` after `timeout_seconds` [s].
        """
        limit = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=CONNECT_SECONDS)
        what = describe(method, path, params, body)
        try:
            response = await self._send(method, path, body, params, content_type, limit, headers)
            data: bytes = await response.read()
        except _BROKEN as error:
            raise self._broken(what, error, f"{timeout_seconds:g} s") from error
        if not 200 <= response.status < 300:
            raise _refused(what, response.status, response.headers, data)
        try:
            decoded = json.loads(data)
        except ValueError:
            return {"text": data.decode(errors="replace")}
        return decoded if isinstance(decoded, dict) else {"value": decoded}

    async def watch(
        self,
        path: str,
        *,
        resource_version: str,
        params: Params | None = None,
        silence_seconds: float = WATCH_SILENCE_SECONDS,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield raw watch events (BOOKMARK and ERROR too) until the server ends the stream.

        Raises:
            ApiError: the watch was refused.
            ConnectionFailed: the stream broke, or held something that is not an event.
            Timeout: no byte for `silence_seconds` [s].
        """
        query: Params = {
            "allowWatchBookmarks": True,
            **(params or {}),
            "watch": True,
            "resourceVersion": resource_version,
        }
        limit = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_SECONDS, sock_read=silence_seconds
        )
        what = describe("WATCH", path, params)
        try:
            response = await self._send("GET", path, None, query, "application/json", limit)
        except _BROKEN as error:
            raise self._broken(what, error, f"{silence_seconds:g} s") from error
        try:
            if response.status != 200:
                data = await response.read()
                raise _refused(what, response.status, response.headers, data)
            async for line in lines(response.response.content):
                yield json.loads(line)
        except (*_BROKEN, ValueError) as error:
            raise self._broken(what, error, f"{silence_seconds:g} s") from error
        finally:
            response.response.close()

    async def tail(
        self,
        path: str,
        *,
        keep_bytes: int,
        params: Params | None = None,
        timeout_seconds: float = REQUEST_SECONDS,
    ) -> tuple[bytes, int]:
        """Read a text, such as a log, and return its last bytes and the length of all of it.

        Holds about `keep_bytes` in memory, however long the text is. Raises as `raw` does.
        """
        limit = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=CONNECT_SECONDS)
        what, kept, total = describe("GET", path, params), bytearray(), 0
        try:
            response = await self._send("GET", path, None, params, "application/json", limit)
        except _BROKEN as error:
            raise self._broken(what, error, f"{timeout_seconds:g} s") from error
        try:
            if response.status != 200:
                raise _refused(what, response.status, response.headers, await response.read())
            async for chunk in response.response.content.iter_any():
                total += len(chunk)
                kept += chunk
                del kept[:-keep_bytes]
        except _BROKEN as error:
            raise self._broken(what, error, f"{timeout_seconds:g} s") from error
        finally:
            response.response.close()
        return bytes(kept), total

    async def authorization(self) -> str | None:
        """Return the Authorization header in use now (in a pod: read anew each minute)."""
        headers: dict[str, str] = {}
        # The transport names the header in lower case.
        await self._transport.update_params_for_auth(headers, [], ["BearerToken"], "", "GET", None)
        return next(iter(headers.values()), None)

    async def _send(
        self,
        method: str,
        path: str,
        body: Any,
        params: Params | None,
        content_type: str,
        limit: aiohttp.ClientTimeout,
        more: Mapping[str, str] | None = None,
    ) -> Any:
        headers = {
            **(more or {}),
            "Accept": "application/json",
            "Content-Type": content_type,
            "User-Agent": self._transport.user_agent,
        }
        if token := await self.authorization():
            headers["Authorization"] = token
        url = self._server + path
        query = {k: _text(v) for k, v in (params or {}).items() if v is not None}
        if query:
            url += "?" + urlencode(query)
        return await self._transport.call_api(
            method, url, header_params=headers, body=body, _request_timeout=limit
        )

    def _broken(self, what: str, error: Exception, limit: str) -> errors.ConnectionFailed:
        """Translate a transport error; only a connection never made has a known outcome."""
        sent = not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
        hint = "the outcome is unknown, read again" if sent else "nothing was sent"
        if isinstance(error, TimeoutError):
            text = f"{what}: no answer from {self._server} within its time limit ({limit}); {hint}"
            return errors.Timeout(text, sent=sent)
        cause = str(error) or type(error).__name__
        text = f"{what}: the connection to {self._server} failed ({cause}); {hint}"
        return errors.ConnectionFailed(text, sent=sent)


def _pod_namespace() -> str:
    return _NAMESPACE_FILE.read_text().strip()


_BROKEN = (aiohttp.ClientError, asyncio.TimeoutError, OSError)


def _text(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _refused(what: str, status: int, headers: Mapping[str, str], data: bytes) -> errors.ApiError:
    try:
        said = json.loads(data)
    except ValueError:
        said = {"message": data[:500].decode(errors="replace")}
    if not isinstance(said, dict):
        said = {"message": str(said)[:500]}
    wait = headers.get("Retry-After", "")
    seconds = float(wait) if wait.isdigit() else None
    if seconds is None:
        told = (said.get("details") or {}).get("retryAfterSeconds")
        seconds = float(told) if told else None
    return errors.from_answer(
        status,
        reason=str(said.get("reason") or ""),
        request=what,
        said=str(said.get("message") or ""),
        retry_after=seconds,
    )
