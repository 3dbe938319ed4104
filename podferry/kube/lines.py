"""A stream of bytes as lines: how a watch and a log arrive. Owns nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp


async def lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Split a stream at newlines; objects may be larger than the reader's own line limit."""
    pending = bytearray()
    async for chunk in stream.iter_any():
        start = len(pending)
        pending += chunk
        end = pending.find(b"\n", start)
        while end >= 0:
            line = bytes(pending[:end]).strip()
            del pending[: end + 1]
            if line:
                yield line
            end = pending.find(b"\n")
    if pending.strip():
        yield bytes(pending)
