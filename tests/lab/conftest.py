"""The session's lab: one named `test`, or the running one that PODFERRY_LAB names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from podferry.cli import demo_world
from podferry.cli.install import Kubectl
from podferry.lab.cluster.model import Lab
from tests.lab import odd_image, tools_image
from tests.lab.cluster import Cluster, podferry_lab, why_not
from tests.lab.moves import Moves


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running two-node lab with the image of `tools_image` loaded."""
    if reason := why_not():
        pytest.skip(reason)
    given = os.environ.get("PODFERRY_LAB", "")
    name = given or "test"
    if not given:
        podferry_lab("down", "--name", name)
        podferry_lab("up", "--name", name)
    cluster = Cluster(Lab.named(name))
    image = tmp_path_factory.mktemp("images") / "tools.tar"
    tools_image.write(image)
    cluster.load_image(image)
    yield cluster
    if not given:
        podferry_lab("down", "--name", name)


@pytest.fixture(scope="session")
def ferry(lab: Cluster) -> Cluster:
    """The session's lab with podferry in it, installed once."""
    world = demo_world.World(lab.lab, Kubectl.of_lab(lab.name))
    demo_world.install(world, lambda _line: None)
    return lab


@pytest.fixture(scope="session")
def odd(lab: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of the image of `odd_image`, loaded into the session's lab."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "root").mkdir()
    odd_image.write(folder / "odd.tar", folder / "root")
    lab.load_image(folder / "odd.tar")
    return odd_image.NAME


@pytest.fixture
def moves(ferry: Cluster, namespace: str) -> Moves:
    """A fresh namespace in which workloads can be moved."""
    return Moves(ferry, namespace)


@pytest.fixture
def namespace(lab: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh namespace with its service account, deleted afterwards."""
    name = f"t-{abs(hash(request.node.nodeid)) % 10**8}"
    lab.kubectl("create", "namespace", name)
    lab.kubectl("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=30s")
    yield name
    lab.kubectl("delete", "namespace", name, "--wait=false", "--now", "--ignore-not-found")


@pytest.fixture(scope="session")
def labs_can_run() -> Path:
    """Skips where no lab can run; for tests that make labs of their own."""
    if reason := why_not():
        pytest.skip(reason)
    return Path("/")
