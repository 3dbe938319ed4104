"""How long a client of a Service gets no answer when its pod is moved, and what the freeze was.

    .venv/bin/python tools/spikes/client_gap.py --lab NAME [--copy PostCopy] [--moves 6]

Moves a Deployment to and fro in a running lab with podferry installed. A probe in the control
plane's network opens a new connection every 4 ms, each from a source port of its own (a node's
connection tracking remembers an unanswered one for 120 s) and with a time-out of its own. Prints a
line a move, then median and range. Figures of docs/decisions/0007 come from here. It measures only.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PODFERRY = str(Path(__file__).resolve().parents[2] / ".venv" / "bin" / "podferry")
NAMESPACE = "client-gap"
PORTS = (10_000, 64_000)
PROBE = r"""
import errno, os, select, socket, sys, time
address, port, limit, step = (sys.argv[1], 9000), int(sys.argv[2]), 0.5, 0.004
epoll, live, due, reading = select.epoll(), {}, time.time(), True
epoll.register(0, select.EPOLLIN | select.EPOLLHUP)

def end(fd, result):
    one, began = live.pop(fd)
    epoll.unregister(fd)
    one.close()
    os.write(1, f"{began:.6f} {time.time():.6f} {result}\n".encode())

while reading or live:
    now = time.time()
    if reading and now >= due:
        due = max(due + step, now)
        one = socket.socket()
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        while True:
            port = port + 1 if port < 64000 else 10000
            try:
                one.bind(("", port))
                break
            except OSError:
                continue
        one.connect_ex(address)
        live[one.fileno()] = (one, now)
        epoll.register(one.fileno(), select.EPOLLOUT)
    for fd, event in epoll.poll(max(0.0005, min(step, due - time.time()))):
        if fd == 0:
            reading = bool(os.read(0, 100))
            if not reading:
                epoll.unregister(0)
        elif fd in live:
            one = live[fd][0]
            try:
                error = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error:
                    raise OSError(error, "")
                if event & select.EPOLLOUT:
                    one.send(b"count\n")
                    epoll.modify(fd, select.EPOLLIN)
                elif not one.recv(200):
                    end(fd, "ended")
                else:
                    end(fd, "answered")
            except OSError as problem:
                end(fd, errno.errorcode.get(problem.errno, "failed"))
    for fd in [fd for fd, (_, began) in live.items() if time.time() - began > limit]:
        end(fd, "silence")
"""


def run(*argv: str, stdin: str | None = None, check: bool = True) -> str:
    """Run podferry; its standard output."""
    done = subprocess.run([PODFERRY, *argv], input=stdin, capture_output=True, text=True)
    if check and done.returncode:
        raise SystemExit(f"podferry {' '.join(argv)}: {done.stderr or done.stdout}")
    return done.stdout


def manifests(mebibytes: int) -> dict[str, Any]:
    """A namespace, a Deployment of that size and its Service."""
    labels = {"app": "w"}
    container = {
        "name": "app",
        "image": "registry.lab/app:1",
        "imagePullPolicy": "Never",
        "env": [{"name": "MB", "value": str(mebibytes)}, {"name": "RATE", "value": "5"}],
    }
    template = {
        "metadata": {"labels": {**labels, "podferry.dev/migratable": "true"}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    named = {"name": "w", "namespace": NAMESPACE}
    service = {"selector": labels, "ports": [{"port": 9000}]}
    items = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "Service", "metadata": named, "spec": service},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": named, "spec": spec},
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def move(lab: str, kubeconfig: str, address: str, copy: str) -> dict[str, float]:
    """One move under the probe: freeze, longest time without an answer and the difference [s]."""
    first = PORTS[0] + int(time.time() * 260) % (PORTS[1] - PORTS[0])
    argv = [PODFERRY, "lab", "exec", "--name", lab, "control", "--"]
    argv += ["python3", "-I", "-c", PROBE, address, str(first)]
    with tempfile.TemporaryFile("w+") as records:  # a full pipe would make the probe wait
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=records) as probe:
            time.sleep(2)
            text = run(
                "migrate", "deployment/w", "-n", NAMESPACE, "--kubeconfig", kubeconfig,
                "--copy", copy, "--wait", "-o", "json", check=False,
            )  # fmt: skip
            time.sleep(4)
            probe.communicate(b"")
        records.seek(0)
        lines = [line.split() for line in records]
    answered = sorted(float(end) for _, end, result in lines if result == "answered")
    longest = max(b - a for a, b in itertools.pairwise(answered))
    freeze = float(json.loads(text)["status"]["measured"]["freezeSeconds"])
    return {"freeze": freeze, "unanswered": longest, "beyond": longest - freeze}


def main() -> int:
    """Set up, move, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lab", required=True)
    parser.add_argument("--copy", default="StopAndCopy")
    parser.add_argument("--moves", type=int, default=6)
    parser.add_argument("--mb", type=int, default=64)
    options = parser.parse_args()
    kubectl = ("lab", "kubectl", "--name", options.lab, "--")
    kubeconfig = run("lab", "kubeconfig", "--name", options.lab).strip()
    run(*kubectl, "apply", "-f", "-", stdin=json.dumps(manifests(options.mb)))
    run(*kubectl, "rollout", "status", "deployment/w", "-n", NAMESPACE, "--timeout=120s")
    path = "jsonpath={.spec.clusterIP}"
    address = run(*kubectl, "get", "service", "w", "-n", NAMESPACE, "-o", path).strip()
    found = [move(options.lab, kubeconfig, address, options.copy) for _ in range(options.moves)]
    for one in found:
        print(json.dumps({name: round(value, 3) for name, value in one.items()}))
    for name in ("freeze", "unanswered", "beyond"):
        values = [one[name] for one in found]
        print(f"{name} {statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
