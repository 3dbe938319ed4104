"""A pages file must hold what its pagemaps promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.agent import pagemap
from podferry.agent.errors import AgentError


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def image(path: Path, pages_id: int, *entries: dict[int, int]) -> None:
    messages = [{1: pages_id}, *entries]
    body = b"m" * 8
    for fields in messages:
        message = b"".join(varint(key << 3) + varint(value) for key, value in fields.items())
        body += len(message).to_bytes(4, "little") + message
    path.write_bytes(body)


def test_the_sum_of_present_pages_is_found(tmp_path: Path) -> None:
    image(tmp_path / "pagemap-1.img", 7, {1: 4096, 2: 3, 4: 4}, {1: 1 << 40, 2: 0, 5: 2, 4: 4})
    (tmp_path / "pages-7.img").write_bytes(bytes(5 * 4096))
    assert pagemap.check(str(tmp_path)) == 5 * 4096


def test_pages_that_are_not_present_are_not_counted(tmp_path: Path) -> None:
    image(tmp_path / "pagemap-1.img", 7, {1: 4096, 2: 3, 4: 2}, {1: 1 << 20, 2: 1, 4: 6})
    (tmp_path / "pages-7.img").write_bytes(bytes(4096))
    assert pagemap.check(str(tmp_path)) == 4096


@pytest.mark.parametrize("size", [0, 40, 2 * 4096, 4 * 4096])
def test_a_pages_file_of_another_size_is_refused(tmp_path: Path, size: int) -> None:
    image(tmp_path / "pagemap-1.img", 7, {1: 4096, 2: 3, 4: 4})
    (tmp_path / "pages-7.img").write_bytes(bytes(size))
    with pytest.raises(AgentError, match="promise 12288"):
        pagemap.check(str(tmp_path))


def test_a_folder_without_memory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="no pagemap"):
        pagemap.check(str(tmp_path))


def test_a_cut_off_pagemap_is_refused(tmp_path: Path) -> None:
    image(tmp_path / "pagemap-1.img", 7, {1: 4096, 2: 3, 4: 4})
    whole = (tmp_path / "pagemap-1.img").read_bytes()
    (tmp_path / "pagemap-1.img").write_bytes(whole[:-2])
    with pytest.raises(AgentError, match="BadImage"):
        pagemap.check(str(tmp_path))
