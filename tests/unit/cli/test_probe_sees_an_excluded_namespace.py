"""`podferry probe` and the label of a namespace that keeps everything in it where it is."""

from __future__ import annotations

from podferry.wire import names
from tests.unit.cli.conftest import Cluster
from tests.unit.cli.test_probe import call, prepared

SPACE = "/api/v1/namespaces"


def test_an_excluded_namespace_forbids_the_move_and_says_how_to_allow_it(cluster: Cluster) -> None:
    prepared(cluster)
    cluster.seed(SPACE, {"metadata": {"name": "shop", "labels": {names.EXCLUDE: "true"}}})
    done = call(cluster, "pod/web-1")
    assert done.exit_code != 0
    assert "kubectl label namespace shop podferry.dev/exclude-" in done.output


def test_a_namespace_that_cannot_be_read_is_named_as_not_seen(cluster: Cluster) -> None:
    prepared(cluster)
    done = call(cluster, "pod/web-1")
    assert done.exit_code == 0, done.output
    assert "whether namespace shop is excluded from moves" in done.output
