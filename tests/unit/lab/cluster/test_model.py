"""Names, quantities and addresses of a lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.lab.cluster import model
from podferry.lab.cluster.errors import LabError
from podferry.lab.cluster.model import Lab


@pytest.mark.parametrize("name", ["", "A", "-a", "a-", "a/b", "a.b", "x" * 21, "a b", "../x"])
def test_a_name_that_could_escape_a_folder_or_a_cgroup_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="lab name"):
        Lab.named(name)


@pytest.mark.parametrize(("text", "size"), [("3Gi", 3 << 30), ("512Mi", 512 << 20)])
def test_memory_is_read_as_kubernetes_writes_it(text: str, size: int) -> None:
    assert model.parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "3", "3GB", "-3Gi", "1e9", "511Mi", "Gi", "0Gi"])
def test_memory_that_is_no_quantity_or_too_small_is_refused(text: str) -> None:
    with pytest.raises(LabError, match="512Mi"):
        model.parse_memory(text)


def test_nodes_have_distinct_addresses_links_and_pod_ranges() -> None:
    nodes = model.nodes(model.MAX_NODES)
    for values in ({n.ip for n in nodes}, {n.pod_cidr for n in nodes}, {n.link for n in nodes}):
        assert len(values) == model.MAX_NODES
    assert [n.name for n in nodes[:2]] == ["node-a", "node-b"]


@pytest.mark.parametrize("count", [0, -1, 10])
def test_a_count_of_nodes_out_of_range_is_refused(count: int) -> None:
    with pytest.raises(LabError, match="1 to 9"):
        model.nodes(count)


def test_two_labs_share_no_name_on_the_machine() -> None:
    one, two = Lab("a", Path("/r")), Lab("a-control", Path("/r"))
    boxes = ["control", "node-a"]
    assert not {one.netns(b) for b in boxes} & {two.netns(b) for b in boxes}
    assert one.cgroup != two.cgroup
    assert one.home != two.home
