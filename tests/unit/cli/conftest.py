"""A fake API server on a thread of its own: the whole command line is run against it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.apiserver import FakeApiServer, Recorded

Object = dict[str, Any]
MIGRATIONS = "/apis/podferry.dev/v1alpha1/namespaces/shop/migrations"


class Cluster:
    """The server, its kubeconfig, and a controller that plays given statuses when followed."""

    def __init__(self, folder: Path) -> None:
        self.kubeconfig = folder / "kubeconfig"
        self.on_watch: Callable[[], None] = lambda: None
        self.statuses: list[Object] = []
        self._ready = threading.Event()
        self._end: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    async def _serve(self) -> None:
        self._end = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        async with FakeApiServer() as server:
            self.server = server
            server.intercept = self._arrived
            self.kubeconfig.write_text(yaml.safe_dump(kubeconfig(server.url)))
            self._ready.set()
            await self._end.wait()

    def _arrived(self, seen: Recorded) -> None:
        if seen.query.get("watch") in ("true", "1") and seen.path == MIGRATIONS:
            self._loop.call_later(0.02, self._play)

    def _play(self) -> None:
        self.on_watch()
        name = self.server.objects(MIGRATIONS)[0]["metadata"]["name"]
        for status in self.statuses:
            self.server.patch(f"{MIGRATIONS}/{name}", {"status": status})
        self.statuses = []

    def seed(self, path: str, obj: Object) -> Object:
        return self.server.seed(path, obj)

    def close(self) -> None:
        assert self._end is not None
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start the real program against this server."""
        return subprocess.Popen(
            [sys.executable, "-m", "podferry.cli.main", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
            # A shell without job control starts background work, and so us, with SIGINT ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run the real program against this server until it ends."""
        process = self.start(*args)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(args, process.returncode, out, err)


def kubeconfig(url: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "clusters": [{"name": "fake", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": {}}],
        "contexts": [
            {"name": "fake", "context": {"cluster": "fake", "user": "me", "namespace": "shop"}}
        ],
    }


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    yield made
    made.close()


def running(phase: str, **more: Any) -> Object:
    """A status in this phase."""
    return {
        "phase": phase,
        "strategy": "Container",
        "copy": "StopAndCopy",
        "source": {"node": "node-a", "pod": "web-1"},
        "target": {"node": "node-b", "pod": "web-2"},
        "prediction": {
            "freezeP50Seconds": 0.9,
            "freezeP95Seconds": 1.3,
            "totalSeconds": 4.0,
            "bytes": 256 << 20,
            "source": "prior",
        },
        **more,
    }


def moved(**more: Any) -> Object:
    """A status that ended well."""
    measured = {
        "freezeSeconds": 0.912,
        "totalSeconds": 4.21,
        "prepareSeconds": 1.5,
        "dumpSeconds": 0.55,
        "restoreSeconds": 0.3,
        "bytes": 258 << 20,
        "tcpConnectionsClosed": 3,
        "phases": [{"name": "freeze", "startedAt": "2026-01-01T00:00:00Z", "seconds": 0.55}],
    }
    return running("Succeeded", measured=measured, decision="Committed", **more)
