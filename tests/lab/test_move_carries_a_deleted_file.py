"""A file that was deleted and is still open travels, well above criu's own limit of 1 MiB."""

from __future__ import annotations

import pytest

from tests.lab.moves import Moves
from tests.lab.on_node import processes

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]
_SIZE = 8 << 20


def test_a_deleted_file_of_8_mib_is_written_on_at_the_target(moves: Moves, odd: str) -> None:
    env = [{"name": "FILE", "value": "/tmp/gone"}, {"name": "DELETED", "value": "8"}]
    app = {"name": "app", "image": odd, "imagePullPolicy": "Never", "command": ["/writer"],
           "env": env}  # fmt: skip
    source = moves.start("Deployment", "w", containers=[app])
    status = moves.migrate("Deployment", "w", "m", copy="StopAndCopy")
    assert status["phase"] == "Succeeded", status
    moves.gone(source)
    pod = moves.pod("w")
    node = pod["spec"]["nodeName"]
    (process,) = processes(moves.cluster, node, pod["metadata"]["uid"], "writer")
    path = f"/proc/{process.pid}/fd/3"
    assert moves.cluster.exec(node, ["readlink", path]).strip().endswith("/tmp/gone (deleted)")
    said = moves.cluster.exec(node, ["tail", "-c", f"+{_SIZE + 1}", path])
    numbers = [int(line) for line in said.splitlines()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 1
