"""What the tests of moves share: workloads, a Migration and its end, the workload's answers."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podferry.cli import demo_client
from tests.lab.cluster import Cluster

END_SECONDS = 120
MIGRATABLE = {"podferry.dev/migratable": "true"}
OTHER = {"node-a": "node-b", "node-b": "node-a"}


def pod_spec(mb: int, **more: Any) -> dict[str, Any]:
    """The spec of a pod with the counter that keeps `mb` MiB."""
    container = {
        "name": "app",
        "image": "registry.lab/app:1",
        "imagePullPolicy": "Never",
        "env": [{"name": "MB", "value": str(mb)}],
    }
    return {"terminationGracePeriodSeconds": 1, "containers": [container], **more}


def workload(
    kind: str,
    name: str,
    *,
    mb: int = 32,
    opt_in: bool = True,
    annotations: dict[str, str] | None = None,
    **more: Any,
) -> str:
    """A manifest as JSON; `annotations` are the pod's, `more` goes into its spec."""
    labels = {"app": name, **(MIGRATABLE if opt_in else {})}
    meta: dict[str, Any] = {"labels": labels, "annotations": annotations or {}}
    spec = pod_spec(mb, **more)
    if kind == "Pod":
        raw: dict[str, Any] = {"apiVersion": "v1", "spec": spec}
        return json.dumps({**raw, "kind": kind, "metadata": {"name": name, **meta}})
    template = {"metadata": meta, "spec": spec}
    outer: dict[str, Any] = {"template": template}
    if kind == "Job":
        spec["restartPolicy"] = "Never"
        outer["backoffLimit"] = 0
    else:
        outer["selector"] = {"matchLabels": {"app": name}}
    if kind == "StatefulSet":
        outer["serviceName"] = name
    group = "batch/v1" if kind == "Job" else "apps/v1"
    return json.dumps(
        {"apiVersion": group, "kind": kind, "metadata": {"name": name}, "spec": outer}
    )


@dataclass(frozen=True)
class Answer:
    """What the counter said: the process, its next number, and its memory."""

    boot: str
    number: int
    found: str
    expected: str


@dataclass(frozen=True)
class Moves:
    """A namespace of a lab in which podferry runs."""

    cluster: Cluster
    namespace: str

    def kubectl(self, *argv: str, stdin: str | None = None, check: bool = True) -> str:
        """kubectl in the namespace."""
        return self.cluster.kubectl("-n", self.namespace, *argv, stdin=stdin, check=check)

    def get(self, *argv: str) -> Any:
        """An object or list of the namespace."""
        return json.loads(self.kubectl("get", *argv, "-o", "json"))

    def start(
        self, kind: str, name: str, *, condition: str = "Ready", **more: Any
    ) -> dict[str, Any]:
        """Create a workload and return its one pod once it is Ready, or has another condition."""
        self.kubectl("create", "-f", "-", stdin=workload(kind, name, **more))
        self.kubectl("wait", "--for=create", "pod", "-l", f"app={name}", "--timeout=60s")
        self.kubectl("wait", f"--for=condition={condition}", "pod", "-l", f"app={name}",
                     "--timeout=60s")  # fmt: skip
        # It fills its memory first: without a probe its pod is Ready before it listens.
        self.says(self.pod(name), " ready ")
        return self.pod(name)

    def says(self, pod: dict[str, Any], words: str) -> None:
        """Return once the log of a pod has these words."""
        name = pod["metadata"]["name"]
        deadline = time.monotonic() + 60
        while words not in self.kubectl("logs", name):
            assert time.monotonic() < deadline, f"{name} does not say {words!r}"
            time.sleep(0.2)

    def pod(self, app: str) -> dict[str, Any]:
        """The one pod with this app label."""
        found: list[dict[str, Any]] = self.get("pods", "-l", f"app={app}")["items"]
        assert len(found) == 1, [item["metadata"]["name"] for item in found]
        return found[0]

    def gone(self, pod: dict[str, Any]) -> None:
        """Return once this very pod does not exist any more; another may have its name."""
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        path = "jsonpath={.metadata.uid}"
        now = self.kubectl("get", "pod", name, "-o", path, "--ignore-not-found")
        if now == uid:
            self.kubectl("wait", "--for=delete", f"pod/{name}", "--timeout=60s")

    def ask(self, pod: dict[str, Any], word: str) -> list[str]:
        """One answer of the counter, asked from the control plane's network."""
        script = Path(demo_client.__file__).read_text().partition("\nif __name__")[0]
        script += f"\nprint(ask((sys.argv[1], 9000), {word!r}, ANSWER_SECONDS))"
        argv = ["python3", "-I", "-c", script, pod["status"]["podIP"]]
        return self.cluster.exec("control", argv).split()

    def answer(self, pod: dict[str, Any]) -> Answer:
        """Process, next number and memory of a pod."""
        boot, _, number = self.ask(pod, "count")
        found, expected = self.ask(pod, "sum")
        return Answer(boot, int(number), found, expected)

    @staticmethod
    def migration(kind: str, workload_name: str, name: str, **spec: Any) -> dict[str, Any]:
        """The manifest of a Migration."""
        ref = {"kind": kind, "name": workload_name}
        return {"apiVersion": "podferry.dev/v1alpha1", "kind": "Migration",
                "metadata": {"name": name}, "spec": {"workloadRef": ref, **spec}}  # fmt: skip

    def request(self, kind: str, workload_name: str, name: str, **spec: Any) -> str:
        """Create a Migration; returns what kubectl said, also when it was refused."""
        raw = self.migration(kind, workload_name, name, **spec)
        return self.kubectl("create", "-f", "-", stdin=json.dumps(raw), check=False)

    def ended(self, name: str) -> dict[str, Any]:
        """The Migration's status once it has ended."""
        self.kubectl("wait", f"migration/{name}", "--for=condition=Progressing=False",
                     f"--timeout={END_SECONDS}s")  # fmt: skip
        status: dict[str, Any] = self.get("migration", name)["status"]
        return status

    def migrate(self, kind: str, workload_name: str, name: str, **spec: Any) -> dict[str, Any]:
        """Request a move and return its status once it has ended."""
        said = self.request(kind, workload_name, name, **spec)
        assert "created" in said, said
        return self.ended(name)


def why(status: dict[str, Any]) -> str:
    """Reason of the end."""
    found = {item["type"]: item for item in status["conditions"]}
    return str(found["Succeeded"]["reason"])


def refusal(migration: dict[str, Any]) -> tuple[str, str]:
    """Reason and message of a Migration that was refused before anything was touched."""
    status = migration["status"]
    found = {item["type"]: item for item in status["conditions"]}
    assert status["phase"] == "Failed", status
    assert set(found) == {"Accepted", "Succeeded", "Progressing"}, status
    assert migration["metadata"].get("finalizers", []) == []
    accepted = found["Accepted"]
    assert accepted["status"] == "False"
    assert (accepted["reason"], accepted["message"]) == (
        found["Succeeded"]["reason"], found["Succeeded"]["message"],
    )  # fmt: skip
    return accepted["reason"], accepted["message"]
