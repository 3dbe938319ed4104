"""What the demo needs before anything can be moved: a lab, podferry in it, a service, a client.

Owns the set-up and its repetition: what is there already is left as it is. Moves nothing.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import yaml

from podferry.cli import demo_client, demo_objects, image
from podferry.cli import install as setup
from podferry.cli.install import InstallError, Kubectl
from podferry.lab.cluster import inspect, lifecycle
from podferry.lab.cluster.model import CONTROL, Lab, parse_memory
from podferry.wire.names import SYSTEM_NAMESPACE

Progress = Callable[[str], None]
NODES, NODE_MEMORY = 2, "3Gi"
NAMESPACE, SERVICE = "demo", "counter"
PORT = demo_objects.PORT
INTERVAL_SECONDS = 0.005
READY_SECONDS = 60
LOADED = "podferry.dev/loaded-image"
"""Annotation of our namespace in the lab: which image was loaded last."""


class DemoError(Exception):
    """Something that the demo promises does not hold; the text says what."""


@dataclass(frozen=True, slots=True)
class World:
    """The running lab and how to speak to it."""

    lab: Lab
    kubectl: Kubectl


def start_lab(
    name: str, progress: Progress, *, nodes: int = NODES, node_memory: str = NODE_MEMORY
) -> World:
    """Bring the lab up, building its parts at first, or take the one that runs."""

    def parts() -> lifecycle.Parts:
        from podferry.lab.parts import ensure

        made: lifecycle.Parts = ensure(progress=progress)
        return made

    lab = Lab.named(name)
    memory = parse_memory(node_memory)
    lifecycle.up(lab, node_count=nodes, node_memory=memory, parts=parts, progress=progress)
    return World(lab, Kubectl.of_lab(name))


def install(world: World, progress: Progress) -> None:
    """Build the image, load it, apply the manifests; only what changed since the last time."""
    from podferry.lab.images import archive_digest

    archive = world.lab.home / "podferry-image.tar"
    image.build(archive, progress=progress)
    digest, before = archive_digest(archive), loaded(world.kubectl)
    if before != digest:
        inspect.load_image(world.lab, str(archive), progress)
    setup.apply(world.kubectl, setup.LAB_OVERLAY, progress)
    if before != digest:
        if before is not None:
            setup.restart(world.kubectl)
        mark = f"{LOADED}={digest}"
        world.kubectl.run("annotate", "--overwrite", "namespace", SYSTEM_NAMESPACE, mark)
    setup.wait_ready(world.kubectl, progress)


def loaded(kubectl: Kubectl) -> str | None:
    """Digest of the image that was loaded last, empty if not known; None: never installed."""
    try:
        found = json.loads(kubectl.run("get", "namespace", SYSTEM_NAMESPACE, "-o", "json"))
    except InstallError:
        return None
    return str((found["metadata"].get("annotations") or {}).get(LOADED, ""))


def manifests(*, mb: int, rate: int) -> str:
    """The demo's service: `mb` MiB of memory of which `rate` MB/s are written over and over."""
    env = {"MB": str(mb), "RATE": str(rate)}
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        *demo_objects.served(SERVICE, namespace=NAMESPACE, node="node-a", env=env, request=mb + 32),
    ]
    return yaml.safe_dump_all(objects, sort_keys=False)


def start_service(world: World, *, mb: int, rate: int) -> None:
    """Start the service anew, on node-a where that can be, and wait until it answers."""
    kubectl = world.kubectl
    gone = ("delete", "deployment", SERVICE, "-n", NAMESPACE, "--ignore-not-found", "--wait=true")
    kubectl.run(*gone, "--cascade=foreground", "--timeout=60s")
    kubectl.run("apply", "-f", "-", data=manifests(mb=mb, rate=rate))
    kubectl.run(
        "rollout", "status", f"deployment/{SERVICE}", "-n", NAMESPACE, f"--timeout={READY_SECONDS}s"
    )


def pod(world: World) -> dict[str, str]:
    """Name, node and start time of the service's one running pod; DemoError where not one."""
    text = world.kubectl.run("get", "pods", "-n", NAMESPACE, "-l", f"app={SERVICE}", "-o", "json")
    found = [
        item
        for item in json.loads(text)["items"]
        if item["status"].get("phase") == "Running"
        and not item["metadata"].get("deletionTimestamp")
    ]
    if len(found) != 1:
        raise DemoError(f"{len(found)} pods of {SERVICE} are running; one was expected")
    return {"name": found[0]["metadata"]["name"], "node": found[0]["spec"]["nodeName"]}


def cluster_ip(world: World, service: str = SERVICE) -> str:
    """Address of a service inside the cluster."""
    path = "jsonpath={.spec.clusterIP}"
    return world.kubectl.run("get", "service", service, "-n", NAMESPACE, "-o", path).strip()


def _client_argv(world: World, service: str, *args: str) -> list[str]:
    script, address = Path(demo_client.__file__).read_text(), cluster_ip(world, service)
    return inspect.exec_argv(
        world.lab, CONTROL, ["python3", "-I", "-c", script, address, str(PORT), *args]
    )


def checksum(world: World) -> tuple[str, str]:
    """Checksum of the service's memory as it is and as it must be.

    Raises:
        DemoError: the service does not answer in time.
    """
    deadline = time.monotonic() + READY_SECONDS
    while True:
        done = subprocess.run(
            _client_argv(world, SERVICE, "sum"), capture_output=True, text=True, check=False
        )
        words = done.stdout.split()
        if done.returncode == 0 and len(words) == 2:
            return words[0], words[1]
        if time.monotonic() > deadline:
            told = (done.stderr.strip().splitlines() or [done.stdout.strip() or "nothing"])[-1]
            raise DemoError(f"the service does not answer after {READY_SECONDS} s: {told}")
        time.sleep(0.2)


class Client:
    """The client while it runs; `stop` ends it and returns its records as lines."""

    def __init__(
        self,
        world: World,
        out: Path,
        service: str = SERVICE,
        interval: float = INTERVAL_SECONDS,
    ) -> None:
        """Start asking `service` every `interval` seconds; the records go to `out`."""
        out.parent.mkdir(parents=True, exist_ok=True)
        self._out = out
        with out.open("wb") as file:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                _client_argv(world, service, "count", str(interval)),
                stdin=subprocess.PIPE,
                stdout=file,
                start_new_session=True,  # a Ctrl-C is for the demo, which then ends its client
            )

    def wait_for_answers(self, number: int, *, seconds: float) -> None:
        """Return once `number` more answers came; DemoError after `seconds`."""
        wanted = self._answers() + number
        deadline = time.monotonic() + seconds
        while self._answers() < wanted:
            if self._process.poll() is not None:
                raise DemoError(f"the client ended by itself with code {self._process.returncode}")
            if time.monotonic() > deadline:
                raise DemoError(f"the client got no {number} answers within {seconds:g} s")
            time.sleep(0.1)

    def _answers(self) -> int:
        return sum(1 for line in self._out.read_text().splitlines() if " ! " not in line)

    def stop(self) -> list[str]:
        """End the client by closing its input, and return what it printed."""
        pipe: IO[bytes] | None = self._process.stdin
        assert pipe is not None
        pipe.close()
        self._process.wait(timeout=2 * demo_client.ANSWER_SECONDS)
        return self._out.read_text().splitlines()
