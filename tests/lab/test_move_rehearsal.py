"""Between freeze and decision two copies exist and neither runs: looked at in the kernel itself.

The API server is made to refuse the decision, so the moment lasts as long as the test needs it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.lab.moves import OTHER, Moves
from tests.lab.on_node import Process, processes, reached

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

MB = 96
POLICY = "no-commit"
BINDING = {"policyName": POLICY, "validationActions": ["Deny"]}
STATUS = {
    "apiGroups": ["podferry.dev"],
    "apiVersions": ["*"],
    "operations": ["UPDATE"],
    "resources": ["migrations/status"],
}
RULE = {
    "failurePolicy": "Fail",
    "matchConstraints": {"resourceRules": [STATUS]},
    "validations": [
        {"expression": "!has(object.status.decision) || object.status.decision != 'Committed'"}
    ],
}


@pytest.fixture
def undecidable(moves: Moves) -> Iterator[Moves]:
    """No Migration of this namespace can be committed until the test takes the binding away."""
    match = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": moves.namespace}}}
    for kind, spec in (
        ("ValidatingAdmissionPolicy", RULE),
        ("ValidatingAdmissionPolicyBinding", {**BINDING, "matchResources": match}),
    ):
        raw = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
               "metadata": {"name": POLICY}, "spec": spec}  # fmt: skip
        moves.cluster.apply(json.dumps(raw))
    yield moves
    _allow(moves)
    moves.kubectl("delete", "validatingadmissionpolicy", POLICY)


def _allow(moves: Moves) -> None:
    moves.kubectl("delete", "validatingadmissionpolicybinding", POLICY, "--ignore-not-found")


def _copies(moves: Moves, ends: list[dict[str, str]]) -> list[Process]:
    """The one process of each copy."""
    found = []
    for end in ends:
        here = processes(moves.cluster, end["node"], end["uid"])
        assert len(here) == 1, (end, here)
        found += here
    return found


def test_a_rehearsed_target_is_whole_and_neither_copy_runs_before_the_decision(
    undecidable: Moves,
) -> None:
    moves = undecidable
    pod = moves.start("Deployment", "w", mb=MB)
    before = moves.answer(pod)
    assert "created" in moves.request("Deployment", "w", "m", copy="StopAndCopy")
    migration = moves.get("migration", "m")
    # The source is sealed only after the target answered that it is rehearsed.
    reached(moves.cluster, pod["spec"]["nodeName"], migration, ("source", "Sealed"))
    status = moves.get("migration", "m")["status"]
    ends = [status["source"], status["target"]]
    assert ends[1]["node"] == OTHER[ends[0]["node"]]
    first = _copies(moves, ends)
    for copy in first:
        assert copy.frozen
        assert "R" not in copy.states
        assert copy.heap >= MB << 20
    assert first[1].rss >= MB << 20
    assert first[1].heap == first[0].heap
    # Awake, it wakes up a hundred times a second; asking the API server takes longer than that.
    assert moves.get("migration", "m")["status"].get("decision", "Undecided") == "Undecided"
    assert [copy.runs for copy in _copies(moves, ends)] == [copy.runs for copy in first]
    _allow(moves)
    ended = moves.ended("m")
    assert ended["phase"] == "Succeeded", ended
    moves.kubectl("wait", "--for=delete", f"pod/{ends[0]['pod']}", "--timeout=60s")
    after = moves.answer(moves.pod("w"))
    assert (after.boot, after.number) == (before.boot, before.number + 1)
    assert after.found == after.expected == before.expected
