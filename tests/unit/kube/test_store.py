"""The store behind a reflector."""

from __future__ import annotations

from typing import Any

from podferry.kube.store import Store, key_of


def obj(name: str, version: int, node: str = "") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ns", "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {"nodeName": node}}


def by_node(item: dict[str, Any]) -> list[str]:
    return [item["spec"]["nodeName"]]


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["metadata"]["name"] for item in items]


def test_a_cluster_scoped_object_has_its_name_as_key() -> None:
    assert key_of({"metadata": {"name": "node-a"}}) == "node-a"


def test_an_index_follows_changes_and_removals() -> None:
    store = Store(indexers={"node": by_node})
    store.put(obj("a", 1, "n1"))
    store.put(obj("b", 2, "n1"))
    store.put(obj("a", 3, "n2"))
    assert names(store.by_index("node", "n1")) == ["b"]
    assert names(store.by_index("node", "n2")) == ["a"]
    store.drop("ns/b")
    assert store.by_index("node", "n1") == []


def test_an_indexer_added_later_knows_what_was_there() -> None:
    store = Store()
    store.put(obj("a", 1, "n1"))
    store.add_indexer("node", by_node)
    assert names(store.by_index("node", "n1")) == ["a"]


def test_replacing_reports_exactly_what_differs() -> None:
    store = Store()
    for item in (obj("same", 1), obj("gone", 2), obj("changed", 3)):
        store.put(item)
    changed = store.replace([obj("same", 1), obj("changed", 4), obj("new", 5)])
    assert changed == ["ns/changed", "ns/gone", "ns/new"]
    assert names(store.list()) == ["changed", "new", "same"]


def test_the_same_version_again_is_no_change() -> None:
    store = Store()
    assert store.put(obj("a", 1))
    assert not store.put(obj("a", 1))
