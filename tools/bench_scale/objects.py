"""The nodes, workloads and pods of the large cluster as Kubernetes objects. Pure.

Pods carry what those of a real cluster carry (variables, probes, volumes, annotations), since the
size of an object is what a mirror of it costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from podferry.wire import names

Object = dict[str, Any]

GIB = 1 << 30
NODE_MEMORY = 64 * GIB
POD_REQUEST = GIB
IMAGES_OF_A_NODE = 50
"""What kubelet reports by default."""
REPLICAS = 30


@dataclass(frozen=True, slots=True)
class Size:
    """How large the cluster is."""

    nodes: int = 1000
    pods: int = 30_000
    namespaces: int = 50

    @property
    def workloads(self) -> int:
        """Deployments, of REPLICAS pods each."""
        return -(-self.pods // REPLICAS)


def node_name(number: int) -> str:
    """Name of a node."""
    return f"node-{number:04d}"


def address(number: int) -> str:
    """Loopback address of a node's agent: 127.1.0.1 and on."""
    return f"127.{1 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}"


def namespace_name(workload: int, size: Size) -> str:
    """Namespace of a workload."""
    return f"team-{workload % size.namespaces:02d}"


def node(number: int) -> Object:
    """A node as kubelet registers it."""
    name = node_name(number)
    room = {"cpu": "32", "memory": f"{NODE_MEMORY // 1024}Ki", "pods": "110",
            "ephemeral-storage": "500Gi", "hugepages-2Mi": "0"}  # fmt: skip
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0"},
            "labels": {
                "beta.kubernetes.io/arch": "amd64",
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "node.kubernetes.io/instance-type": "d32",
                "topology.kubernetes.io/region": "west",
                "topology.kubernetes.io/zone": f"west-{number % 3}",
            },
        },
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": address(number)},
                {"type": "Hostname", "address": name},
            ],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            "capacity": room,
            "allocatable": room,
            "images": [_image(each) for each in range(IMAGES_OF_A_NODE)],
            "nodeInfo": {
                "architecture": "amd64",
                "bootID": f"00000000-0000-4000-8000-{number:012d}",
                "containerRuntimeVersion": "containerd://2.3.7",
                "kernelVersion": "6.12.0",
                "kubeProxyVersion": "v1.36.3",
                "kubeletVersion": "v1.36.3",
                "machineID": f"{number:032x}",
                "operatingSystem": "linux",
                "osImage": "Debian GNU/Linux 13",
                "systemUUID": f"00000000-0000-4000-9000-{number:012d}",
            },
        },
    }


def _image(number: int) -> Object:
    digest = f"{number:064x}"
    repository = f"registry.example/team/service-{number}"
    return {
        "names": [f"{repository}@sha256:{digest}", f"{repository}:v1.{number}.0"],
        "sizeBytes": 100_000_000 + number,
    }


def deployment(workload: int, size: Size) -> Object:
    """The owner of the owner of `REPLICAS` pods."""
    labels = {"app.kubernetes.io/name": _app(workload)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": _app(workload),
            "namespace": namespace_name(workload, size),
            "labels": labels,
        },
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod_spec(workload)},
        },
    }


def replica_set(workload: int, size: Size, deployment_uid: str) -> Object:
    """The owner of the pods."""
    made = deployment(workload, size)
    labels = _labels(workload)
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": _app(workload)}
    made["kind"] = "ReplicaSet"
    made["metadata"] |= {
        "name": f"{_app(workload)}-{_hash(workload)}",
        "labels": labels,
        "annotations": {"deployment.kubernetes.io/revision": "1"},
        "ownerReferences": [
            {**owner, "uid": deployment_uid, "controller": True, "blockOwnerDeletion": True}
        ],
    }
    made["spec"]["selector"] = {"matchLabels": labels}
    made["spec"]["template"]["metadata"]["labels"] = labels
    return made


def pod(number: int, size: Size, replica_set_uid: str) -> Object:
    """One pod, bound to its node as a scheduler would have done."""
    workload, replica = divmod(number, REPLICAS)
    owner = f"{_app(workload)}-{_hash(workload)}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{owner}-{replica:05d}",
            "namespace": namespace_name(workload, size),
            "labels": _labels(workload),
            "annotations": {
                "prometheus.io/scrape": "true",
                "prometheus.io/port": "8080",
                "checksum/config": f"{workload:064x}",
            },
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": owner,
                    "uid": replica_set_uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {**_pod_spec(workload), "nodeName": node_name(number % size.nodes)},
    }


def _app(workload: int) -> str:
    return f"service-{workload:04d}"


def _hash(workload: int) -> str:
    return f"{0x5EED0000 + workload:x}"


def _labels(workload: int) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": _app(workload),
        "pod-template-hash": _hash(workload),
        names.LABEL_MIGRATABLE: "true",
    }


def _pod_spec(workload: int) -> Object:
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10}
    variables: list[Object] = [
        {"name": f"SETTING_{each}", "value": f"value-{each}-of-{_app(workload)}"}
        for each in range(8)
    ]
    variables.append({"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}})
    container = {
        "name": "app",
        "image": f"registry.example/team/{_app(workload)}:v1.2.3",
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": variables,
        "resources": {"requests": {"cpu": "500m", "memory": f"{POD_REQUEST // 1024}Ki"}},
        "livenessProbe": probe,
        "readinessProbe": probe,
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/app", "readOnly": True},
            {"name": "scratch", "mountPath": "/scratch"},
        ],
    }
    return {
        "runtimeClassName": names.RUNTIME_CLASS,
        "containers": [container],
        "volumes": [
            {"name": "config", "configMap": {"name": f"{_app(workload)}-config"}},
            {"name": "scratch", "emptyDir": {}},
        ],
        "tolerations": [{"key": "team", "operator": "Exists", "effect": "NoSchedule"}],
    }
