"""The HTTPS server that the API server calls for admission.

Owns TLS (certificates are read again when their files change), the AdmissionReview envelope and
its checks. It decides nothing: a handler gets the request and answers with a `Response`. What is
not an AdmissionReview v1 is refused with 400; a handler that fails is a 500, so that the
`failurePolicy` of the webhook configuration decides. The API server presents no certificate of
its own by default, so callers are not authenticated: a handler with side effects is registered at
a path that only podferry and the webhook configuration know.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web

MAX_REVIEW_BYTES = 8 * 2**20
"""An AdmissionReview holds the object twice at most; etcd takes 1.5 MiB for one [bytes]."""
RELOAD_SECONDS = 10.0
"""How often the certificate files are looked at [s]."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Response:
    """A verdict. `patch` is a list of JSON patch operations; `code` is used when refused, and so
    is `reason`, by which clients tell errors apart (such as `TooManyRequests`)."""

    allowed: bool
    message: str = ""
    code: int = 403
    reason: str = ""
    patch: Sequence[dict[str, Any]] = field(default_factory=tuple)
    warnings: Sequence[str] = field(default_factory=tuple)


Handler = Callable[[dict[str, Any]], Awaitable[Response]]
"""Gets the `request` of the AdmissionReview."""


class AdmissionServer:
    """HTTPS server for webhooks: `register` handlers, `start`, later `stop`.

    Args:
        cert_file: PEM chain; may change while serving (a rotated Secret).
        key_file: PEM key that belongs to it.
        host: address to listen on.
        port: TCP port; 0 picks a free one, see `port`.
        reload_seconds: how often the files are looked at [s].
        ending: whether this server will stop soon; its answers close their connection then.
    """

    def __init__(
        self,
        *,
        cert_file: str | Path,
        key_file: str | Path,
        host: str = "0.0.0.0",  # noqa: S104 - the API server calls from outside the pod
        port: int = 9443,
        reload_seconds: float = RELOAD_SECONDS,
        ending: Callable[[], bool] = lambda: False,
    ) -> None:
        self._ending = ending
        self._cert_file, self._key_file = Path(cert_file), Path(key_file)
        self._host, self.port = host, port
        self._reload_seconds = reload_seconds
        self._handlers: dict[str, Handler] = {}
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._loaded: tuple[Any, ...] = ()
        self._runner: web.AppRunner | None = None
        self._reloader: asyncio.Task[None] | None = None
        self.reloads = 0
        """Certificates loaded after the first."""

    def register(self, path: str, handler: Handler) -> None:
        """Answer reviews posted to `path` with `handler`."""
        self._handlers[path] = handler

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: a file cannot be read (ssl.SSLError: it is no matching pair) or the port is
                taken.
        """
        self._load()
        app = web.Application(client_max_size=MAX_REVIEW_BYTES)
        app.router.add_post("/{tail:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=5.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port, ssl_context=self._context)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._reloader = asyncio.create_task(self._reload(), name="admission certificates")

    async def stop(self) -> None:
        """Finish running requests, then stop listening."""
        if self._reloader is not None:
            self._reloader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reloader
        if self._runner is not None:
            await self._runner.cleanup()

    def _stamp(self) -> tuple[Any, ...]:
        stats = [path.stat() for path in (self._cert_file, self._key_file)]
        return tuple((stat.st_mtime_ns, stat.st_ino, stat.st_size) for stat in stats)

    def _load(self) -> bool:
        stamp = self._stamp()
        if stamp == self._loaded:
            return False
        # A half-written pair must not spoil the context in use, so it is tried on another.
        trial = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        trial.load_cert_chain(self._cert_file, self._key_file)
        self._context.load_cert_chain(self._cert_file, self._key_file)
        self._loaded = stamp
        return True

    async def _reload(self) -> None:
        while True:
            await asyncio.sleep(self._reload_seconds)
            try:
                if self._load():
                    self.reloads += 1
                    _log.info("admission certificate reloaded", file=str(self._cert_file))
            except OSError as error:
                _log.warning(
                    "admission certificate not reloaded, the old one stays in use",
                    file=str(self._cert_file),
                    why=str(error),
                )

    async def _serve(self, request: web.Request) -> web.Response:
        handler = self._handlers.get(request.path)
        if handler is None:
            return web.Response(status=404, text=f"no webhook at {request.path}")
        try:
            review = parse_review(await request.read())
        except ValueError as error:
            return web.Response(status=400, text=str(error))
        try:
            verdict = await handler(review)
        except Exception:
            # The border to foreign code: the API server needs an answer, the log the trace.
            # The first part only: what follows may be a secret.
            path = "/".join(request.path.split("/")[:2])
            _log.exception("admission handler failed", path=path, uid=review["uid"])
            return web.Response(status=500, text="the webhook failed, see the controller's log")
        answer = web.json_response(answer_to(review, verdict))
        if self._ending():
            answer.force_close()  # the next review finds another replica
        return answer


def parse_review(data: bytes) -> dict[str, Any]:
    """Return the request of an AdmissionReview v1. Raises ValueError saying what is wrong."""
    try:
        review = json.loads(data)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(review, dict) or review.get("kind") != "AdmissionReview":
        raise ValueError("not an AdmissionReview")
    if review.get("apiVersion") != "admission.k8s.io/v1":
        raise ValueError(f"apiVersion {review.get('apiVersion')!r}; known: admission.k8s.io/v1")
    request = review.get("request")
    if not isinstance(request, dict) or not request.get("uid"):
        raise ValueError("an AdmissionReview without a request with a uid")
    return request


def answer_to(request: dict[str, Any], verdict: Response) -> dict[str, Any]:
    """Return the AdmissionReview that carries a verdict."""
    response: dict[str, Any] = {"uid": request["uid"], "allowed": verdict.allowed}
    if not verdict.allowed:
        response["status"] = {"message": verdict.message, "code": verdict.code}
        if verdict.reason:
            response["status"]["reason"] = verdict.reason
    if verdict.allowed and verdict.patch:
        response["patchType"] = "JSONPatch"
        patch = json.dumps(list(verdict.patch)).encode()
        response["patch"] = base64.b64encode(patch).decode()
    if verdict.warnings:
        response["warnings"] = list(verdict.warnings)
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": response,
    }
