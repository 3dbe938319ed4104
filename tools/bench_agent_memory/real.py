"""Real pods on one node of a running lab, and what the agent of that node says of its own cost."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

from podferry.lab.cluster import inspect
from podferry.lab.cluster.model import Lab

NODE = "node-a"
NAMESPACE = "bench-agent-memory"
_IMAGE = "registry.lab/pause:1"
_READ = (
    "import urllib.request as u;print(u.urlopen('http://127.0.0.1:9551/metrics').read().decode())"
)


@dataclass(frozen=True, slots=True)
class Said:
    """Counters of an agent [s], its resident memory [bytes], samples it took."""

    sampling: float
    process: float
    rss: float
    samples: float


def said(lab: Lab) -> Said:
    """What the agent's metrics say now."""
    text = _run(inspect.exec_argv(lab, NODE, ["python3", "-I", "-c", _READ]))

    def value(name: str) -> float:
        found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
        if found is None:
            raise SystemExit(f"the agent of {NODE} has no metric {name}")
        return float(found[1])

    return Said(
        value("podferry_agent_memory_sample_cpu_seconds_total"),
        value("process_cpu_seconds_total"),
        value("process_resident_memory_bytes"),
        value("podferry_agent_memory_samples_total"),
    )


def shares(lab: Lab, rounds: int, seconds: float) -> tuple[list[float], list[float], float]:
    """Shares of a core of the samples and of the whole agent, and its memory [bytes]."""
    sampling, process = [], []
    before, at = said(lab), time.monotonic()
    for _ in range(rounds):
        time.sleep(seconds)
        after, now = said(lab), time.monotonic()
        sampling.append((after.sampling - before.sampling) / (now - at))
        process.append((after.process - before.process) / (now - at))
        before, at = after, now
    return sampling, process, before.rss


@contextlib.contextmanager
def pods(lab: Lab, count: int) -> Iterator[None]:
    """`count` pods that do nothing, Ready."""
    items = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"idle-{number}", "namespace": NAMESPACE},
            "spec": {
                "nodeName": NODE,
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": False,
                "containers": [{"name": "idle", "image": _IMAGE, "imagePullPolicy": "Never"}],
            },
        }
        for number in range(count)
    ]
    _kubectl(lab, "create", "namespace", NAMESPACE)
    try:
        _kubectl(lab, "wait", "--for=create", "serviceaccount/default", "-n", NAMESPACE)
        _kubectl(
            lab,
            "apply",
            "-f",
            "-",
            stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": items}),
        )
        ready = ["wait", "--for=condition=Ready", "pods", "--all", "-n", NAMESPACE]
        _kubectl(lab, *ready, "--timeout=600s")
        yield
    finally:
        _kubectl(lab, "delete", "namespace", NAMESPACE, "--wait=false")


def _kubectl(lab: Lab, *argv: str, stdin: str = "") -> str:
    return _run(inspect.kubectl_argv(lab, argv), stdin)


def _run(argv: list[str], stdin: str = "") -> str:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{argv[0]}: {done.stderr.strip()}")
    return done.stdout
