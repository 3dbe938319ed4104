"""Controller and agents are replaced by another release while moves are under way."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.lab import releases
from tests.lab.cluster import Cluster
from tests.lab.moves import Moves
from tests.lab.upgrading import Pair, commands_of_the_how_to, during, pair, pods_all_through

pytestmark = pytest.mark.timeout(600)

STEPS = ("target.Prepared", "source.Frozen", "target.Rehearsed", "source.Sealed", "target.Resumed",
         "source.Redirected")  # fmt: skip


@pytest.fixture(scope="module")
def both(ferry: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """This release, installed, and a later one."""
    later = releases.later(tmp_path_factory.mktemp("later"), ferry)
    with pair(ferry, releases.this(), later) as found:
        yield found


@pytest.mark.lab
def test_a_move_whose_files_are_on_the_way_is_not_lost_and_pods_start_all_through(
    moves: Moves, both: Pair
) -> None:
    before = moves.start("Pod", "earlier")
    old = moves.migrate("Pod", "earlier", "old")
    with pods_all_through(moves) as requests:
        status = during(moves, both, "target.rootfs", "Deployment", "StopAndCopy")
    assert status["phase"] == "Succeeded", status
    print(f"{requests.accepted} pods accepted during the upgrade")
    assert requests.refused == []
    assert requests.accepted > 0
    assert moves.get("migration", "old")["status"] == old, "a Migration of before lost something"
    assert before["metadata"]["name"] == moves.pod("earlier")["metadata"]["name"]
    said = [moves.cluster.kubectl(*argv) for argv in commands_of_the_how_to()]
    assert len(said) == 6
    assert said[0] == both.installed.version == releases.LATER
    refused = subprocess.run(
        releases.this().command(moves.cluster), capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert f"the cluster has podferry {releases.LATER}" in refused.stderr


@pytest.mark.lab
def test_a_frozen_stateful_set_goes_on_when_the_releases_change(moves: Moves, both: Pair) -> None:
    status = during(moves, both, "target.Rehearsed", "StatefulSet", "StopAndCopy")
    assert status["phase"] == "Succeeded", status


@pytest.mark.faults
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("kind", "copy"),
    [("Deployment", "StopAndCopy"), ("Deployment", "PostCopy"), ("StatefulSet", "StopAndCopy")],
)
def test_a_move_in_any_step_ends_well(
    moves: Moves, both: Pair, kind: str, copy: str, step: str
) -> None:
    if (kind, step) == ("StatefulSet", "source.Redirected"):
        step = "source.Released"  # its source pod is gone by then: nothing is redirected
    assert during(moves, both, step, kind, copy)["phase"] == "Succeeded"
