"""After its move a pod is as any other: when its node reboots, kubelet starts it anew there."""

from __future__ import annotations

import pytest

from tests.lab.moves import OTHER, Moves
from tests.lab.test_move_and_hooks import HOOK, VOLUMES, container, starts
from tests.lab.world import moments, power, remains

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_it_starts_plainly_and_can_be_reached(moves: Moves, odd: str, kind: str) -> None:
    app = container(odd, postStart=HOOK)
    source = moves.start(kind, "w", containers=[app], volumes=VOLUMES)
    earlier = moves.answer(source)
    assert moves.migrate(kind, "w", "m")["phase"] == "Succeeded"
    moves.gone(source)
    uid = str(moves.get("migration", "m")["metadata"]["uid"])
    target = moves.pod("w")
    node = target["spec"]["nodeName"]
    assert node == OTHER[source["spec"]["nodeName"]]
    power.reboot(moves.cluster, node)
    name = target["metadata"]["name"]
    moves.kubectl("wait", f"pod/{name}", "--timeout=90s",
                  "--for=jsonpath={.status.containerStatuses[0].restartCount}=1")  # fmt: skip
    moves.kubectl("wait", f"pod/{name}", "--timeout=60s", "--for=condition=Ready")
    after = remains.one_pod(moves, "w")
    assert after["metadata"]["uid"] == target["metadata"]["uid"]
    # Its memory is gone, as that of any pod would be; nothing keeps clients away from it.
    assert moves.answer(after).boot != earlier.boot
    assert starts(moves, after) == ["started", "started"]
    moments.until(lambda: remains.left_over(moves, uid), "left over")
