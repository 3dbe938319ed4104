"""The generated CustomResourceDefinition is in step with the classes and is complete."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from podferry.api import crd, crd_schema, migration
from podferry.api.crd_text import DESCRIPTIONS
from podferry.api.serde import camel
from podferry.wire import names

MANIFEST = Path(__file__).resolve().parents[3] / "cluster-setup/crd/migrations.yaml"


@pytest.fixture
def version() -> dict[str, Any]:
    found: dict[str, Any] = crd.definition()["spec"]["versions"][0]
    return found


def _properties(version: dict[str, Any], part: str) -> dict[str, Any]:
    root = version["schema"]["openAPIV3Schema"]["properties"]
    found: dict[str, Any] = root[part]["properties"]
    return found


def test_the_committed_manifest_is_what_the_classes_say() -> None:
    assert MANIFEST.read_text() == crd.render(), "stale: run `make generate`"


def test_group_version_and_plural_are_those_of_the_wire() -> None:
    assert (names.GROUP, names.VERSION) == (crd_schema.GROUP, crd_schema.VERSION)
    assert crd.PLURAL == names.PLURAL
    assert yaml.safe_load(crd.render())["metadata"]["name"] == "migrations.podferry.dev"


@pytest.mark.parametrize(
    ("cls", "part"), [(migration.MigrationSpec, "spec"), (migration.MigrationStatus, "status")]
)
def test_every_field_of_the_classes_is_in_the_schema(
    version: dict[str, Any], cls: Any, part: str
) -> None:
    wanted = [camel(field.name) for field in dataclasses.fields(cls)]
    assert list(_properties(version, part)) == wanted


def test_every_object_of_the_schema_is_structural(version: dict[str, Any]) -> None:
    def check(schema: dict[str, Any], where: str) -> None:
        assert "type" in schema, where
        for name, inner in (schema.get("properties") or {}).items():
            check(inner, f"{where}.{name}")
        for key in ("items", "additionalProperties"):
            if key in schema:
                check(schema[key], f"{where}.{key}")

    check(version["schema"]["openAPIV3Schema"], "")


def test_enums_hold_every_known_value_and_defaults_are_those_of_the_class(
    version: dict[str, Any],
) -> None:
    spec = _properties(version, "spec")
    assert spec["copy"]["enum"] == ["Auto", "StopAndCopy", "PreCopy", "PostCopy"]
    assert spec["workloadRef"]["properties"]["kind"]["enum"] == list(migration.WorkloadKind)
    defaults = {name: schema["default"] for name, schema in spec.items() if "default" in schema}
    assert defaults == {
        "strategy": "Auto",
        "copy": "Auto",
        "transport": "Direct",
        "freezeFirst": False,
        "deadlineSeconds": 300,
        "cancel": False,
    }


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("web", True), ("web-0", True), ("7", True), ("ip-10-0-0-1.eu.compute.internal", True),
        ("Web", False), ("web_0", False), ("-web", False), ("web-", False), ("a..b", False),
        ("a/b", False), ("web ", False), ("web\n", False),
    ],
)  # fmt: skip
def test_names_are_those_that_kubernetes_takes(
    version: dict[str, Any], name: str, good: bool
) -> None:
    spec = _properties(version, "spec")
    for schema in (spec["workloadRef"]["properties"]["name"], spec["targetNode"]):
        # The API server's regular expressions end at the end of the text, as \\Z does here.
        pattern = schema["pattern"].replace("$", r"\Z")
        assert bool(re.search(pattern, name)) is good
        assert schema["maxLength"] == 253
    assert re.search(spec["targetNode"]["pattern"], "")


def test_a_status_has_no_defaults_that_the_api_server_could_invent(
    version: dict[str, Any],
) -> None:
    assert not [name for name, one in _properties(version, "status").items() if "default" in one]


def test_the_rule_of_immutability_names_every_field_but_cancel(version: dict[str, Any]) -> None:
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    rule = spec["x-kubernetes-validations"][0]["rule"]
    for field in dataclasses.fields(migration.MigrationSpec):
        name = camel(field.name)
        assert (f"self.{name} == oldSelf.{name}" in rule) is (name != "cancel")


def test_every_field_of_the_spec_is_explained_and_no_text_is_of_a_lost_field() -> None:
    for field in dataclasses.fields(migration.MigrationSpec):
        assert f"MigrationSpec.{field.name}" in DESCRIPTIONS
    for key in DESCRIPTIONS:
        cls, name = key.split(".")
        assert name in {field.name for field in dataclasses.fields(getattr(migration, cls))}


def test_a_ttl_is_a_whole_number_from_zero_and_has_no_default(version: dict[str, Any]) -> None:
    schema = _properties(version, "spec")["ttlSecondsAfterFinished"]
    assert (schema["type"], schema["minimum"]) == ("integer", 0)
    assert "default" not in schema
