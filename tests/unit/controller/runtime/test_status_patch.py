"""A merge patch says exactly what differs."""

from __future__ import annotations

from typing import Any

import pytest

from podferry.api.migration import Endpoint, MigrationStatus
from podferry.api.serde import status_to_dict
from podferry.controller.runtime.status_patch import merge_diff


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({}, {}, {}),
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {}, {"a": None}),
        ({}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": 2}}, {"a": {"b": 3}}),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": None}}),
        ({"a": [1, 2]}, {"a": [1]}, {"a": [1]}),
        ({"a": {"b": 1}}, {"a": "text"}, {"a": "text"}),
    ],
)
def test_the_patch_of_two_statuses(
    old: dict[str, Any], new: dict[str, Any], patch: dict[str, Any]
) -> None:
    assert merge_diff(old, new) == patch


def test_empty_texts_of_an_older_controller_are_removed() -> None:
    old = {"phase": "Pending", "completedAt": "", "source": {"node": "node-a", "pod": ""}}
    status = MigrationStatus(phase="Pending", source=Endpoint(node="node-a"))
    patch = merge_diff(old, status_to_dict(status))
    assert patch["completedAt"] is None
    assert patch["source"] == {"pod": None}
