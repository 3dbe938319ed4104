"""A finished Migration goes by its ttl in a real cluster, and what it moved stays."""

from __future__ import annotations

import pytest

from tests.lab.moves import Moves

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def test_a_ttl_of_zero_removes_the_migration_and_not_what_it_moved(moves: Moves) -> None:
    kept = moves.migrate("Deployment", "none", "kept")
    assert kept["phase"] == "Failed", kept
    source = moves.start("Deployment", "w")
    before = moves.answer(source)
    said = moves.request("Deployment", "w", "gone", ttlSecondsAfterFinished=0)
    assert "created" in said, said
    moves.kubectl("wait", "migration/gone", "--for=delete", "--timeout=90s")
    target = moves.pod("w")
    after = moves.answer(target)
    assert target["spec"]["nodeName"] != source["spec"]["nodeName"]
    assert (after.boot, after.found) == (before.boot, after.expected)
    assert [item["metadata"]["name"] for item in moves.get("migrations")["items"]] == ["kept"]
