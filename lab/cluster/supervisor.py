"""PID 1 of a box: starts its services in order, restarts each that ends, reaps orphans.

Runs inside the box with the node's own Python, so it uses the standard library only and imports
nothing of ours. Reads one JSON file: a list of services, each with name, argv, env, `ready` and
`wait` (probes: it serves; it may start), `oneshot`. Writes what runs to
/var/log/lab/services.json. Never touches network or mounts: the box is complete when it starts.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import sys
import time
import urllib.request
from typing import Any

LOG = "/var/log/lab"
TICK = 0.05
"""Seconds between two looks at services that are not ready yet."""
BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds to wait before the n-th restart in a row."""
HEALTHY = 20.0
"""Seconds after which a service counts as having started well."""


def say(text: str) -> None:
    """One line in the supervisor's own log."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def probe(ready: dict[str, str]) -> bool:
    """Whether a service answers: `unix` (socket path), `https` (URL, 200) or `file`."""
    try:
        if "file" in ready:
            return os.path.exists(ready["file"])
        if "unix" in ready:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(1)
                sock.connect(ready["unix"])
            return True
        if "tcp" in ready:
            host, port = ready["tcp"].rsplit(":", 1)
            socket.create_connection((host, int(port)), timeout=1).close()
            return True
        context = ssl.create_default_context(cafile=ready["cafile"])
        url = ready["https"]
        with urllib.request.urlopen(url, timeout=2, context=context) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False


class Service:
    """One supervised program."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.name: str = spec["name"]
        self.argv: list[str] = spec["argv"]
        self.env: dict[str, str] = {**os.environ, **spec.get("env", {})}
        self.ready_probe: dict[str, str] = spec.get("ready", {})
        self.wait_probe: dict[str, str] = spec.get("wait", {})
        self.oneshot: bool = spec.get("oneshot", False)
        self.pid = 0
        self.ready = False
        self.starts = 0
        self.failures = 0
        self.started = 0.0
        self.start_at = 0.0

    def start(self) -> None:
        """Fork and exec with output appended to the service's log."""
        self.starts += 1
        self.started = time.monotonic()
        self.pid = os.fork()
        if self.pid:
            return
        try:
            os.setsid()
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            log = os.open(f"{LOG}/{self.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.execvpe(self.argv[0], self.argv, self.env)  # noqa: S606
        except OSError as error:
            os.write(2, f"supervisor: {self.argv[0]}: {error}\n".encode())
        finally:
            os._exit(127)

    def ended(self, status: int) -> None:
        """Note an exit and decide when to start again."""
        code = os.waitstatus_to_exitcode(status)
        self.pid = 0
        if self.oneshot and code == 0:
            self.ready = True
            return
        if time.monotonic() - self.started > HEALTHY:
            self.failures = 0
        delay = BACKOFF[min(self.failures, len(BACKOFF) - 1)]
        self.failures += 1
        self.start_at = time.monotonic() + delay
        say(f"{self.name} ended with {code} (start {self.starts}), again in {delay} s")

    def step(self) -> None:
        """Start when due, look whether it is ready."""
        if self.oneshot and self.ready:
            return
        if not self.pid:
            if self.wait_probe and not self.starts and not probe(self.wait_probe):
                return
            if time.monotonic() >= self.start_at:
                self.start()
            return
        if not self.ready and not self.oneshot:
            self.ready = not self.ready_probe or probe(self.ready_probe)
            if self.ready:
                say(f"{self.name} ready after {time.monotonic() - self.started:.1f} s")


def report(services: list[Service], last: str) -> str:
    """Write services.json when it changed; returns its text."""
    rows = [{"name": s.name, "pid": s.pid, "ready": s.ready, "starts": s.starts} for s in services]
    text = json.dumps(rows)
    if text != last:
        with open(f"{LOG}/services.json.new", "w") as file:
            file.write(text)
        os.replace(f"{LOG}/services.json.new", f"{LOG}/services.json")
    return text


def reap(services: list[Service]) -> None:
    """Collect every ended child, ours or an orphan's."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        for service in services:
            if service.pid == pid:
                service.ended(status)


def main(path: str) -> None:
    """Serve until killed; the kernel then ends everything in the box."""
    with open(path) as file:
        services = [Service(spec) for spec in json.load(file)]
    watched = {signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    last = ""
    while True:
        reap(services)
        for service in services:
            service.step()
            if not service.ready and not service.starts > 1:
                break  # the next ones wait for this one's first success
        last = report(services, last)
        quiet = all(s.ready and (s.pid or s.oneshot) for s in services)
        signal.sigtimedwait(watched, 5.0 if quiet else TICK)


if __name__ == "__main__":
    main(sys.argv[1])
