"""What the scenes of the demo and of the rescue study run: a Service before one movable pod.

Owns the shape of the two objects; what the pod does is said by its environment, see
`lab/images/src/counter.c`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podferry.wire.names import LABEL_MIGRATABLE

IMAGE = "registry.lab/app:1"
PORT = 9000


def served(
    name: str, *, namespace: str, node: str, env: Mapping[str, str], request: int
) -> list[dict[str, Any]]:
    """Return a Service and a Deployment of one pod.

    Args:
        name: of both.
        namespace: of both.
        node: where the pod starts if there is room.
        env: of its container.
        request: memory that it asks for [MiB].
    """
    labels = {"app": name}
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    prefer = {"weight": 100, "preference": {"matchExpressions": [here]}}
    container = {
        "name": "app",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "env": [{"name": key, "value": value} for key, value in env.items()],
        "ports": [{"containerPort": PORT}],
        "resources": {"requests": {"cpu": "50m", "memory": f"{request}Mi"}},
    }
    pod = {
        "metadata": {"labels": {**labels, LABEL_MIGRATABLE: "true"}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "affinity": {
                "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [prefer]}
            },
            "containers": [container],
        },
    }
    named = {"name": name, "namespace": namespace, "labels": labels}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": named,
            "spec": {"selector": labels, "ports": [{"port": PORT}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": named,
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod},
        },
    ]
