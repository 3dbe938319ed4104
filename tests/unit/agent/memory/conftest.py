"""What a test opened is closed after it: a sampler keeps its files open as long as it lives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from podferry.agent.memory.files import KernelFile


@pytest.fixture(autouse=True)
def nothing_stays_open(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hundreds of descriptors would otherwise be in the way of later tests."""
    made: list[KernelFile] = []
    plain = KernelFile.__init__

    def noted(self: KernelFile, path: str) -> None:
        plain(self, path)
        made.append(self)

    monkeypatch.setattr(KernelFile, "__init__", noted)
    yield
    for each in made:
        each.close()
