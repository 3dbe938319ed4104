"""Who asked for a Migration stands in its labels, under the names that the writers use."""

from __future__ import annotations

from podferry.api import serde
from podferry.wire import names


def test_the_reader_and_the_writers_use_the_same_names() -> None:
    assert serde.LABEL_REQUESTED_BY == names.LABEL_REQUESTED_BY
    assert serde.LABEL_RESCUE_POLICY == names.LABEL_RESCUE_POLICY


def test_a_person_s_migration_has_none() -> None:
    raw = {"metadata": {"name": "m"}, "spec": {"workloadRef": {"kind": "Pod", "name": "p"}}}
    found = serde.parse_migration(raw)
    assert (found.requested_by, found.rescue_policy) == ("", "")
    raw["metadata"]["labels"] = {names.LABEL_REQUESTED_BY: "eviction"}  # type: ignore[assignment]
    assert serde.parse_migration(raw).requested_by == "eviction"
