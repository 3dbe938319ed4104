"""`podferry install` looks at what is installed before it applies anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from podferry import __version__
from podferry.cli import installed
from podferry.cli.installed import Release
from podferry.cli.main import cli
from podferry.wire import agent_api
from tests.unit.cli.test_install import Kubectl, kubectl, manifests  # noqa: F401 - fixtures

NAMESPACE = Path(__file__).resolve().parents[3] / "cluster-setup" / "base" / "namespace.yaml"


def said(version: str, protocol: str) -> dict[str, object]:
    notes = {"podferry.dev/version": version, "podferry.dev/protocol": protocol}
    return {"metadata": {"annotations": notes}}


def install(there: Kubectl, folder: Path, version: str, *more: str) -> Result:
    there.answer({"get*namespace*": f"echo '{json.dumps(said(version, '1'))}'"})
    return CliRunner().invoke(cli, ["install", "--manifests", str(folder), *more])


def applied(there: Kubectl) -> bool:
    return any(line.split()[0] == "apply" for line in there.asked)


def test_a_newer_one_is_left_alone(kubectl: Kubectl, manifests: Path) -> None:  # noqa: F811
    done = install(kubectl, manifests, "99.0.0")
    assert done.exit_code == 1
    assert f"the cluster has podferry 99.0.0, this is {__version__}" in done.output
    assert "--force" in done.output
    assert not applied(kubectl)


def test_with_force_it_is_replaced(kubectl: Kubectl, manifests: Path) -> None:  # noqa: F811
    assert install(kubectl, manifests, "99.0.0", "--force").exit_code == 0
    assert applied(kubectl)


@pytest.mark.parametrize("version", [__version__, "0.0.1", "not a version"])
def test_the_same_an_older_or_an_unknown_one_is_upgraded(
    kubectl: Kubectl,  # noqa: F811
    manifests: Path,  # noqa: F811
    version: str,
) -> None:
    assert install(kubectl, manifests, version).exit_code == 0
    assert applied(kubectl)


def test_a_release_that_speaks_too_new_a_protocol_names_both() -> None:
    there = installed.parsed(said("0.1.0", "1"))
    why = installed.refusal(there, Release("0.9.0", 4, 3))
    assert "0.1.0 (protocol 1)" in why
    assert "0.9.0, understands protocol 3 or later" in why


def test_versions_are_compared_as_numbers() -> None:
    assert installed.refusal(Release("0.9.0", 1, 1), Release("0.10.0", 1, 1)) == ""
    assert installed.refusal(Release("0.10.0", 1, 1), Release("0.9.0", 1, 1))


def test_the_manifests_name_this_release() -> None:
    there = installed.parsed(yaml.safe_load(NAMESPACE.read_text()))
    assert there == Release(__version__, agent_api.PROTOCOL, agent_api.PROTOCOL)
