"""Every target pod carries the command of its postStart hook, by which the wrapper knows it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from podferry.api.migration import Endpoint, MigrationStatus
from podferry.controller.core import pods
from podferry.controller.webhooks import mutate
from podferry.wire import names
from tests.unit.controller.webhooks.pods import COMMITTED, migration, pod, same_name, status

COMMAND = ["warm", "up"]
APP = {"name": "web", "lifecycle": {"postStart": {"exec": {"command": COMMAND}}}}
OWN_NAME: dict[str, Any] = {
    "owner": ("StatefulSet", "sts-1"),
    "metadata": {"name": "db-0", "generateName": None},
}


@pytest.mark.parametrize(
    ("pod_of", "move"),
    [({}, status()), (OWN_NAME, same_name(decision=COMMITTED))],
    ids=["replacement", "final"],
)
def test_a_claimed_pod_tells_it(pod_of: dict[str, Any], move: MigrationStatus) -> None:
    raw = pod(containers=[APP], **pod_of)
    plan = mutate.judge(raw, [migration(move)], by_controller=False)
    notes = mutate.patched(raw, plan, "token-1")["metadata"]["annotations"]
    assert json.loads(notes[names.ANNOTATION_RESTORE_HOOKS]) == {"web": COMMAND}


def test_a_pod_of_its_own_name_tells_it_at_its_rehearsal_and_at_last() -> None:
    source = {"metadata": {"name": "db", "namespace": "shop"}, "spec": {"containers": [APP]}}
    made = pods.rehearsal(source, Endpoint(container="web"), uid="u-1", attempt=1, node="node-b")
    last = pods.final(made, uid="u-1", attempt=1, node="node-b")
    for one in (made, last):
        note = one["metadata"]["annotations"][names.ANNOTATION_RESTORE_HOOKS]
        assert json.loads(note) == {"web": COMMAND}


def test_a_pod_without_a_hook_tells_nothing_and_a_user_may_not() -> None:
    raw = pod()
    plan = mutate.judge(raw, [migration(status())], by_controller=False)
    notes = mutate.patched(raw, plan, "token-1")["metadata"]["annotations"]
    assert names.ANNOTATION_RESTORE_HOOKS not in notes
    fake = pod(metadata={"annotations": {names.ANNOTATION_RESTORE_HOOKS: "{}"}})
    assert mutate.judge(fake, [], by_controller=False).allowed is False
