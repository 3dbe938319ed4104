"""A node with systemd, and all that podferry needs."""

from pathlib import Path

import pytest

from tests.unit.agent.installer.nodes import FakeHost


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path / "node", systemd=True)
