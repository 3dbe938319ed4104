"""What differs in a pod whose container is restored and not started. Pure.

Owns the fields that make kubelet wait for a start that does not happen. Never touches what kubelet
does to the container later: a restart after the move starts for real.
"""

from __future__ import annotations

import math
from typing import Any

from podferry.strategies.container.finding import is_sidecar

DEFAULT_PERIOD, DEFAULT_FAILURES = 10, 3
PER_SANDBOX = frozenset(
    {
        "cni.projectcalico.org/containerID",
        "cni.projectcalico.org/podIP",
        "cni.projectcalico.org/podIPs",
        "k8s.ovn.org/pod-networks",
        "k8s.v1.cni.cncf.io/network-status",
        "k8s.v1.cni.cncf.io/networks-status",
        "vpc.amazonaws.com/pod-eni",
        "vpc.amazonaws.com/pod-ips",
    }
)
"""Annotations in which a network plug-in notes what it gave to one sandbox. In a copy of the pod
they would claim the addresses of the source, whose sandbox still stands."""


def adapt(spec: dict[str, Any], moved: str, *, pulled: bool) -> None:
    """Change a pod's spec in place so that kubelet waits for nothing that is over.

    Args:
        spec: of a raw pod.
        moved: name of the container that is restored; the others start for real.
        pulled: the image is on the node because a rehearsal used it. Asking the registry again
            would happen while the workload is frozen, and might bring another image.
    """
    for container in spec.get("containers") or []:
        if container.get("name") != moved:
            continue
        readiness, startup = container.get("readinessProbe"), container.get("startupProbe")
        if readiness:
            readiness.pop("initialDelaySeconds", None)
        if startup:
            _begin_at_once(startup)
    let_companions_begin_late(spec)
    if pulled:
        for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
            if container.get("imagePullPolicy") == "Always":
                container["imagePullPolicy"] = "IfNotPresent"


def let_companions_begin_late(spec: dict[str, Any]) -> None:
    """Take the startupProbe off native sidecars, in place; their livenessProbe waits as long.

    They begin once the workload was resumed, and kubelet makes no other container of the pod before
    such a probe has passed: the workload would wait for them, and they for it.
    """
    for container in spec.get("initContainers") or []:
        if not is_sidecar(container):
            continue
        startup, liveness = container.pop("startupProbe", None), container.get("livenessProbe")
        if startup and liveness:
            wait = int(startup.get("initialDelaySeconds") or 0) + _longest(startup)
            liveness["initialDelaySeconds"] = max(
                wait, int(liveness.get("initialDelaySeconds") or 0)
            )


def _longest(probe: dict[str, Any]) -> int:
    """Seconds until kubelet gives a container up."""
    period = int(probe.get("periodSeconds") or DEFAULT_PERIOD)
    return period * int(probe.get("failureThreshold") or DEFAULT_FAILURES)


def pin_image(spec: dict[str, Any], container: str, image: str) -> None:
    """Name the image of `container` by the digest that its source was made of.

    The memory has files mapped and open, and opens others later: under a tag that moved on, the
    target's node may have other ones. An image that the source's runtime has under no digest stays
    named as it is.
    """
    for one in spec.get("containers") or []:
        if one.get("name") == container and is_digest(image):
            one["image"] = image


def is_digest(image: str) -> bool:
    """Whether this name of an image (an imageID of a container's status) fixes its content."""
    name, _, digest = image.partition("@sha256:")
    return bool(name) and len(digest) == 64


def _begin_at_once(probe: dict[str, Any]) -> None:
    """Turn the delay into as many failures: a restart of the container gets the same time."""
    delay = int(probe.pop("initialDelaySeconds", 0) or 0)
    if delay:
        period = int(probe.get("periodSeconds") or DEFAULT_PERIOD)
        failures = int(probe.get("failureThreshold") or DEFAULT_FAILURES)
        probe["failureThreshold"] = failures + math.ceil(delay / period)
