"""Sends the memory of a frozen container to the target node: runs a dump and carries its stream.

Started detached by the agent with `python3 -I -S`; standard library only, one file, Python >= 3.9.
criu finds one end of a socket pair as its page server (`ps-socket`), so that it hands pages over
without copying them, and nothing of the memory crosses a socket that another process could open or
capture. Owns: the mutual TLS 1.3 to the target's receiver and the dump's process. Never does: start
the dump before the peer has proven to be an agent. Why not criu's own TLS: docs/decisions/0006.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import ssl
import subprocess
import sys

CHUNK = 1 << 18
"""Bytes taken from criu and encrypted at once: few calls, and still in the processor's cache."""
CONNECT_SECONDS = 10.0
STALL_SECONDS = 60.0
"""A target that takes nothing for so long is gone; the dump fails and the source thaws."""
ANSWER_SECONDS = 5.0
"""criu takes each answer at once; a target that says more than is asked would stop the dump."""
NO_TARGET = 97
"""Exit code when the target was not reached or not proven; nothing was started then."""


def client_context(folder: str) -> ssl.SSLContext:
    """TLS 1.3 with our certificate; ca.crt, tls.crt, tls.key in the folder."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cafile=f"{folder}/ca.crt")
    context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
    return context


def connect(address: str, port: int, context: ssl.SSLContext, identity: str) -> ssl.SSLSocket:
    """An authenticated stream to the receiver. Raises OSError (also ssl.SSLError)."""
    plain = socket.create_connection((address, port), timeout=CONNECT_SECONDS)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream = context.wrap_socket(plain, server_hostname=identity)
    stream.settimeout(STALL_SECONDS)
    return stream


def carry(dump: socket.socket, stream: ssl.SSLSocket) -> int:
    """Carry bytes both ways until the dump closed its end; bytes sent. Raises OSError.

    The receiver's answers are a few bytes, so that sending never waits for a reader that waits
    for us.
    """
    buffer = memoryview(bytearray(CHUNK))
    sent, readers = 0, [dump, stream]
    while True:
        ready = [stream] if stream.pending() else select.select(readers, (), ())[0]
        if stream in ready:
            answer = _answer(stream)
            if answer is None:
                readers = [dump]
            elif answer:
                dump.sendall(answer)
        if dump in ready:
            count = dump.recv_into(buffer)
            if not count:
                return sent
            stream.sendall(buffer[:count])
            sent += count


def _answer(stream: ssl.SSLSocket) -> bytes | None:
    """What the receiver said: nothing where only TLS itself spoke, None at its end."""
    stream.settimeout(0)
    try:
        return stream.recv(4096) or None
    except ssl.SSLWantReadError:
        return b""
    finally:
        stream.settimeout(STALL_SECONDS)


def run(command: list[str], descriptor: int, stream: ssl.SSLSocket) -> int:
    """Run the dump with its page server at `descriptor`; its exit code. Raises OSError."""
    ours, theirs = socket.socketpair()
    ours.settimeout(ANSWER_SECONDS)
    with ours:
        os.dup2(theirs.fileno(), descriptor)
        theirs.close()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(descriptor,))
        os.close(descriptor)
        try:
            carry(ours, stream)
        except OSError as error:
            print(f"the stream to the target broke: {error}", file=sys.stderr, flush=True)
            ours.close()  # criu sees the end of its page server and gives up
            return child.wait() or 1
    stream.close()
    return child.wait()


def main(argv: list[str]) -> int:
    """Connect, then run the dump: its exit code, or NO_TARGET before anything was started."""
    parser = argparse.ArgumentParser(description="Carry a dump's memory over mutual TLS.")
    parser.add_argument("--tls-dir", required=True)
    parser.add_argument("--identity", required=True, help="DNS name in the target's certificate")
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--descriptor", type=int, required=True, help="criu's ps-socket")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(argv)
    try:
        context = client_context(options.tls_dir)
        stream = connect(options.address, options.port, context, options.identity)
    except OSError as error:
        where = f"{options.address}:{options.port}"
        print(f"the target's receiver at {where} was not reached: {error}", file=sys.stderr)
        return NO_TARGET
    return run(options.command, options.descriptor, stream)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
