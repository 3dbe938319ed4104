"""Files that weigh more than the memory beside them and the target's margin arrive whole."""

from __future__ import annotations

import pytest

from tests.lab.moves import OTHER, Moves
from tests.lab.on_node import processes
from tests.lab.trees import change, describe

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

FILES, EACH_MIB = 13, 32
WRITE = f"""
for number in range({FILES}):
    put(f"/data/{{number}}", os.urandom(1 << 20) * {EACH_MIB})
"""


def test_416_mib_of_files_travel_with_8_mib_of_memory(moves: Moves) -> None:
    app = {
        "name": "app",
        "image": "registry.lab/app:1",
        "imagePullPolicy": "Never",
        "env": [{"name": "MB", "value": "8"}],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    volumes = [{"name": "data", "emptyDir": {}}]
    source = moves.start("Deployment", "w", containers=[app], volumes=volumes)
    node = source["spec"]["nodeName"]
    (process,) = processes(moves.cluster, node, source["metadata"]["uid"])
    change(moves.cluster, node, process.pid, WRITE)
    wanted = describe(moves.cluster, node, process.pid, "/data")
    before = moves.answer(source)
    status = moves.migrate("Deployment", "w", "m", copy="StopAndCopy")
    assert status["phase"] == "Succeeded", status
    moves.gone(source)
    target = moves.pod("w")
    assert target["spec"]["nodeName"] == OTHER[node]
    after = moves.answer(target)
    assert (after.boot, after.number) == (before.boot, before.number + 1)
    assert after.found == after.expected == before.expected
    (process,) = processes(moves.cluster, OTHER[node], target["metadata"]["uid"])
    assert describe(moves.cluster, OTHER[node], process.pid, "/data") == wanted
