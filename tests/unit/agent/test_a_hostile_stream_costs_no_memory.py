"""Numbers in a stream are never room in memory, and endless lists are not kept."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any, cast

import pytest

from podferry.agent import archive, tar_stream
from podferry.runtime_wrapper import page_receiver


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_huge_extended_header_is_refused_before_it_is_read(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, tar_stream.MAX_HEADER + 1
    with pytest.raises(archive.ArchiveError, match="a header has at most"):
        archive.unpack(io.BytesIO(info.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 21)), str(tmp_path))


def test_a_sparse_entry_of_an_exbibyte_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_SPARSE, 1 << 60
    with pytest.raises(archive.ArchiveError, match="sparse"):
        archive.unpack(io.BytesIO(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024)), str(tmp_path))


def test_the_receiver_writes_ranges_out_instead_of_keeping_them(tmp_path: Path) -> None:
    images = page_receiver.Images(str(tmp_path))
    images.open(1 << 8 | 1)
    for at in range(100_000):
        images.add(at << 12, 1, 2, cast(Any, None))
        assert len(images._entries) <= page_receiver.CHUNK
    images.close()
    assert (tmp_path / "pagemap-1.img").stat().st_size > page_receiver.CHUNK
