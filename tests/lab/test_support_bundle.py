"""`podferry support-bundle` after a real move: the move and our logs, nothing of the tenant's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.lab.cluster import Cluster
from tests.lab.moves import Moves, pod_spec

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

SECRET, ENV, ARG, ANNOTATION = "canary-secret", "canary-env", "canary-arg", "canary-annotation"


def bundle(cluster: Cluster, path: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "podferry.cli.main", "support-bundle", "-o", str(path), *argv],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig)},
    )


def files(path: Path) -> dict[str, bytes]:
    found = {}
    with tarfile.open(path) as tar:
        for member in tar:
            stream = tar.extractfile(member)
            assert stream is not None
            found[member.name.partition("/")[2]] = stream.read()
    return found


def secretive() -> list[dict[str, object]]:
    """The counter with a Secret and a value in its environment, and an argument it ignores."""
    (container,) = pod_spec(32)["containers"]
    key = {"name": "s", "key": "token"}
    container["env"] += [
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": key}},
        {"name": "VALUE", "value": ENV},
    ]
    return [{**container, "args": [ARG]}]


def test_a_bundle_has_the_move_and_our_logs_and_no_canary(moves: Moves, tmp_path: Path) -> None:
    moves.kubectl("create", "secret", "generic", "s", f"--from-literal=token={SECRET}")
    source = moves.start("Deployment", "w", containers=secretive())
    pod = source["metadata"]["name"]
    moves.kubectl("annotate", "pod", pod, f"tenant.example/note={ANNOTATION}")
    status = moves.migrate("Deployment", "w", "m")
    assert status["phase"] == "Succeeded", status

    path = tmp_path / "b.tar.gz"
    done = bundle(moves.cluster, path, "m", "-n", moves.namespace)
    assert done.returncode == 0, done.stdout + done.stderr
    held = files(path)
    moved = json.loads(held["migrations/m.json"])
    assert moved["status"]["measured"] == status["measured"]
    assert moved["metadata"]["uid"].encode() in held["migrations-events.json"]
    assert f"pods/{status['target']['pod']}.json" in held
    logs = {file: text for file, text in held.items() if file.startswith("logs/")}
    # The running ones: where one was killed before, the bundle has its `.previous` log too.
    controllers = [
        file for file in logs if re.search(r"/podferry-controller-.*\.controller\.log$", file)
    ]
    agents = [file for file in logs if re.search(r"/podferry-agent-.*\.agent\.log$", file)]
    assert len(controllers) >= 2
    assert len(agents) >= 2
    # Controllers name a Migration, agents know its uid; the bundle has both.
    name, uid = f"{moves.namespace}/m".encode(), moved["metadata"]["uid"].encode()
    assert any(name in logs[file] for file in controllers), "no controller tells of the move"
    assert all(uid in logs[file] for file in agents), "an agent does not tell of the move"
    for canary in (SECRET, ENV, ARG, ANNOTATION):
        assert [file for file, text in held.items() if canary.encode() in text] == []
