"""A small client of the lab's API server: one kept connection, JSON in and out.

The driver must not cost the time that it measures, and one kubectl call takes longer than a
resume. Raises ApiError with the server's words; retries nothing but a connection that went stale.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

MERGE = "application/merge-patch+json"


class ApiError(Exception):
    """The API server refused; `code` is the HTTP status."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text[:300]}")
        self.code = code


class Api:
    """The API server that a kubeconfig with embedded certificates names."""

    def __init__(self, kubeconfig: Path) -> None:
        raw = yaml.safe_load(kubeconfig.read_text())
        cluster, user = raw["clusters"][0]["cluster"], raw["users"][0]["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._tls = ssl.create_default_context(cadata=authority)
        with tempfile.NamedTemporaryFile() as pair:  # load_cert_chain takes files only
            pair.write(base64.b64decode(user["client-certificate-data"]))
            pair.write(base64.b64decode(user["client-key-data"]))
            pair.flush()
            self._tls.load_cert_chain(pair.name)
        self._address = urlsplit(cluster["server"])
        self._connection: http.client.HTTPSConnection | None = None

    def call(
        self, method: str, path: str, body: Any = None, *, kind: str = "application/json"
    ) -> Any:
        """One request; the parsed answer."""
        data = json.dumps(body) if body is not None else None
        for attempt in (0, 1):
            try:
                return self._once(method, path, data, kind)
            except (http.client.HTTPException, OSError):
                self._connection = None
                if attempt:
                    raise
        raise AssertionError("unreachable")

    def find(self, path: str) -> Any:
        """GET; None where there is no such object."""
        try:
            return self.call("GET", path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def delete(self, path: str, *, force: bool = False) -> None:
        """DELETE; what is gone already is fine. `force` leaves kubelet no say."""
        body = {"gracePeriodSeconds": 0} if force else None
        try:
            self.call("DELETE", path, body)
        except ApiError as error:
            if error.code != 404:
                raise

    def _once(self, method: str, path: str, data: str | None, kind: str) -> Any:
        if self._connection is None:
            host, port = self._address.hostname or "", self._address.port or 443
            self._connection = http.client.HTTPSConnection(
                host, port, context=self._tls, timeout=30
            )
        self._connection.request(method, path, data, {"Content-Type": kind})
        answer = self._connection.getresponse()
        text = answer.read().decode()
        if answer.status >= 300:
            raise ApiError(answer.status, text)
        return json.loads(text)


def wait_for(
    what: str, look: Callable[[], Any], *, seconds: float = 60.0, pause: float = 0.05
) -> Any:
    """What `look` returns once it is true. Raises TimeoutError that names `what`."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(pause)
