"""A port of this machine that leads into a lab's network namespace.

Listens on 127.0.0.1 outside, then enters the namespace: the listening socket stays outside, every
new connection is made inside. Standard library only; run as a file, never imported by the lab.
Usage: forward.py PORT NETNS-FILE HOST PORT
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import sys

CLONE_NEWNET = 0x40000000
CHUNK = 1 << 16


def enter(netns: str) -> None:
    """Move this thread into the network namespace at path `netns`."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(netns) as file:
        if libc.setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {netns}")


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end, then pass the end on."""
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


async def serve(listener: socket.socket, host: str, port: int) -> None:
    """Forward every connection of `listener` to host:port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
        far_writer.close()
        writer.close()

    server = await asyncio.start_server(handle, sock=listener)
    await server.serve_forever()


def main(argv: list[str]) -> None:
    """Listen outside, connect inside."""
    listener = socket.create_server(("127.0.0.1", int(argv[1])), backlog=128)
    enter(argv[2])
    os.chdir("/")
    asyncio.run(serve(listener, argv[3], int(argv[4])))


if __name__ == "__main__":
    main(sys.argv)
