"""Three moves off one node: two at once, the third says that it waits and starts by itself."""

from __future__ import annotations

import json

import pytest

from tests.lab.moves import Moves

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]
NAMES = ("one", "two", "three")


def test_the_third_of_three_moves_off_a_node_waits_for_a_place(moves: Moves) -> None:
    before = {}
    for name in NAMES:
        before[name] = moves.answer(moves.start("Pod", name, mb=16, nodeName="node-a"))
    asked = [moves.migration("Pod", name, name) for name in NAMES]
    together = {"apiVersion": "v1", "kind": "List", "items": asked}
    moves.kubectl("create", "-f", "-", stdin=json.dumps(together))
    moves.kubectl("wait", "migration", *NAMES, "--for=jsonpath={.status.phase}", "--timeout=30s")
    queued = [one for one in moves.get("migrations")["items"] if one["status"].get("queued")]
    assert len(queued) == 1
    said = {item["type"]: item for item in queued[0]["status"]["conditions"]}["Progressing"]
    assert said["reason"] == "Queued"
    assert "position 1 in the queue: at most 2 moves off node node-a" in said["message"]
    assert "finalizers" not in queued[0]["metadata"]
    ends = [moves.ended(name) for name in NAMES]
    assert [end["phase"] for end in ends] == ["Succeeded"] * 3, ends
    last = max(ends, key=lambda end: str(end["startedAt"]))
    assert "queued" not in last
    over = sorted(str(end["completedAt"]) for end in ends)
    assert str(last["startedAt"]) >= over[0]
    for name in NAMES:
        after = moves.answer(moves.pod(name))
        assert (after.boot, after.number) == (before[name].boot, before[name].number + 1)
