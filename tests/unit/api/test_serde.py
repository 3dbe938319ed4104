"""Objects survive the way to the API server and back, and bad values are named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podferry.api import migration as m
from podferry.api import serde
from podferry.api.errors import PreconditionError
from podferry.api.reasons import Reason

# Label keys and values are user data: underscores, dots and capitals must come back as they went.
_LABELS = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)
_OPTIONAL_LABELS = {"detached_labels": st.none() | _LABELS}


def _finite(low: float = 0.0) -> st.SearchStrategy[float]:
    return st.floats(min_value=low, max_value=1e9, allow_nan=False)


st.register_type_strategy(float, _finite())
st.register_type_strategy(dict, _LABELS)


def _migration(spec: dict[str, Any], **status: Any) -> dict[str, Any]:
    reference = {"kind": "Deployment", "name": "counter"}
    return {
        "metadata": {"name": "m", "namespace": "n", "uid": "u", "resourceVersion": "7"},
        "spec": {"workloadRef": reference, **spec},
        "status": status,
    }


@given(st.builds(m.MigrationStatus, **_OPTIONAL_LABELS))
def test_a_status_is_the_same_after_a_round_trip_through_json(status: m.MigrationStatus) -> None:
    stored = json.loads(json.dumps(serde.status_to_dict(status)))
    assert serde.status_from_dict(stored) == status


@given(st.builds(m.MigrationSpec))
def test_a_spec_is_the_same_after_a_round_trip_through_json(spec: m.MigrationSpec) -> None:
    stored = json.loads(json.dumps(serde.to_dict(spec)))
    assert serde.from_dict(m.MigrationSpec, stored, path="spec") == spec


def test_names_are_camel_case_enums_are_values_and_none_is_left_out() -> None:
    stored = serde.status_to_dict(m.MigrationStatus(decision=m.Decision.COMMITTED))
    assert stored["decision"] == "Committed"
    assert type(stored["decision"]) is str
    assert stored["observedGeneration"] == 0
    assert stored["attempts"] == []
    assert "claim" not in stored
    assert "detachedLabels" not in stored


def test_a_text_that_is_not_set_is_no_field_but_a_required_one_is_kept() -> None:
    end = m.Endpoint(node="node-a")
    record = m.AttemptRecord(number=1, result="Failed", reason="", message="")
    stored = serde.status_to_dict(
        m.MigrationStatus(phase="Pending", source=end, attempts=(record,))
    )
    assert stored["source"] == {"node": "node-a"}
    for name in ("completedAt", "frozenAt", "resumedAt", "decidedAt", "decisionReason", "copy"):
        assert name not in stored
    assert stored["attempts"][0]["message"] == ""
    assert "" not in [item for item in stored.values() if isinstance(item, str)]


def test_a_status_that_an_older_controller_wrote_with_empty_texts_is_still_read() -> None:
    raw = {"phase": "Pending", "completedAt": "", "source": {"node": "node-a", "pod": ""}}
    found = serde.status_from_dict(raw)
    assert (found.completed_at, found.source) == ("", m.Endpoint(node="node-a"))


def test_label_keys_are_user_data_and_are_not_renamed() -> None:
    labels = {"pod_template_hash": "a", "x.y/z_w": "b"}
    stored = serde.status_to_dict(m.MigrationStatus(detached_labels=labels))
    assert stored["detachedLabels"] == labels
    spec = serde.parse_migration(_migration({"targetSelector": {"disk_type": "ssd"}})).spec
    assert spec.target_selector == {"disk_type": "ssd"}


def test_an_object_as_kubectl_writes_it_gets_the_defaults() -> None:
    found = serde.parse_migration(
        {
            "metadata": {
                "name": "m",
                "namespace": "n",
                "uid": "u",
                "generation": 3,
                "resourceVersion": "9",
                "deletionTimestamp": "2026-01-01T00:00:00Z",
                "finalizers": ["podferry.dev/migration"],
                "creationTimestamp": "2026-01-01T00:00:00Z",
            },
            "spec": {"workloadRef": {"kind": "Pod", "name": "p"}, "maxFreezeSeconds": 2},
        }
    )
    assert found.deletion_requested
    assert (found.generation, found.resource_version) == (3, "9")
    assert found.finalizers == ("podferry.dev/migration",)
    assert found.spec == m.MigrationSpec(
        workload_ref=m.WorkloadRef(m.WorkloadKind.POD, "p"), max_freeze_seconds=2.0
    )
    assert found.status == m.MigrationStatus()


def test_a_field_of_a_later_version_is_left_out() -> None:
    assert serde.status_from_dict({"later": 1, "attempt": 2}) == m.MigrationStatus(attempt=2)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"copy": "Magic"}, ["spec.copy", '"Magic"', "StopAndCopy", "PostCopy"]),
        ({"strategy": "Fly"}, ["spec.strategy", '"Fly"', "Auto, Container"]),
        ({"fallback": ["Container", "X"]}, ["spec.fallback[1]", '"X"', "ColdRestart"]),
        ({"workloadRef": {"kind": "CronJob", "name": "x"}}, ["spec.workloadRef.kind", "Job"]),
        ({"workloadRef": {"kind": "Pod"}}, ["spec.workloadRef.name is missing"]),
        ({"workloadRef": None}, ["spec.workloadRef is missing"]),
        ({"workloadRef": "pod/x"}, ["spec.workloadRef", '"pod/x"', "map"]),
        ({"maxFreezeSeconds": "2s"}, ["spec.maxFreezeSeconds", '"2s"', "a number"]),
        ({"maxFreezeSeconds": True}, ["spec.maxFreezeSeconds", "True", "a number"]),
        ({"deadlineSeconds": 1.5}, ["spec.deadlineSeconds", "1.5", "a whole number"]),
        ({"cancel": "true"}, ["spec.cancel", '"true"', "a bool"]),
        ({"targetNode": 7}, ["spec.targetNode", "7", "a text"]),
        ({"targetSelector": ["a"]}, ["spec.targetSelector", "map"]),
        ({"targetSelector": {"a": 1}}, ["spec.targetSelector[a]", "1", "a text"]),
        ({"fallback": "Container"}, ["spec.fallback", "list"]),
    ],
)
def test_a_bad_value_is_refused_with_its_field_and_what_is_valid(
    spec: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(PreconditionError) as refusal:
        serde.parse_migration(_migration(spec))
    assert refusal.value.reason == Reason.INVALID_SPEC
    for word in words:
        assert word in refusal.value.message


def test_an_unknown_decision_is_an_error_and_never_undecided() -> None:
    with pytest.raises(PreconditionError, match=r"status\.decision.*Perhaps"):
        serde.parse_migration(_migration({}, decision="Perhaps"))
