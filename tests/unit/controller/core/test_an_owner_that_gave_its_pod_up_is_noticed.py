"""What a user does to the owner during a move counts for the pod that was taken from it."""

from __future__ import annotations

from typing import Any

import pytest

from podferry.api.migration import OwnerRef
from podferry.controller.core import owners


def raw(**more: Any) -> dict[str, Any]:
    return {"metadata": {"uid": "o"}, "spec": {}, "status": {}, **more}


def ended(kind: str, status: str = "True") -> dict[str, Any]:
    return raw(status={"conditions": [{"type": kind, "status": status}]})


@pytest.mark.parametrize(
    ("kind", "found", "words"),
    [
        ("Job", None, "was deleted"),
        ("Job", raw(metadata={"uid": "another"}), "was deleted"),
        ("Job", raw(metadata={"uid": "o", "deletionTimestamp": "t"}), "is being deleted"),
        ("Job", raw(spec={"suspend": True}), "was suspended"),
        ("Job", ended("Failed"), "is failed"),
        ("Job", ended("Complete"), "is complete"),
        ("ReplicaSet", raw(spec={"replicas": 0}), "was scaled to 0"),
    ],
)
def test_the_reason_is_named(kind: str, found: dict[str, Any] | None, words: str) -> None:
    assert words in owners.owner_gave_up(OwnerRef(kind, "w", "o"), found)


@pytest.mark.parametrize("found", [raw(), ended("Failed", "False"), ended("FailureTarget")])
def test_an_owner_that_wants_its_pod_gives_no_reason(found: dict[str, Any]) -> None:
    assert owners.owner_gave_up(OwnerRef("Job", "w", "o"), found) == ""
