"""The seal of an attempt: a target restores only what the source of this very attempt sent.

Owns: the attempt's key as the controller gave it (in /run, so that a reboot ends it), the signature
of a manifest and its check. Never does: put the key on a disk, or accept a second one.
All agents have one certificate, so that alone does not tell the source from any other node.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
from typing import Any

from podferry.agent.engine import Side
from podferry.agent.errors import AgentError, Refused
from podferry.agent.node import Node
from podferry.wire.stages import Order

_KEY = re.compile(r"[0-9a-f]{64}")


def remember(node: Node, order: Order, key: str) -> None:
    """Keep the key of an accepted order; the first one of an attempt stays. Raises Refused 400."""
    if not _KEY.fullmatch(key):
        raise Refused("BadSeal", "the seal's key is not 64 hexadecimal digits", status=400)
    folder = node.local(f"{node.run}/seals")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(_path(node, order), flags, 0o600), "w") as out:
            out.write(key)


def key(node: Node, side: Side) -> bytes:
    """The attempt's key. Raises AgentError."""
    try:
        with open(_path(node, side.order), encoding="ascii") as source:
            return bytes.fromhex(source.read())
    except (FileNotFoundError, ValueError) as error:
        raise AgentError(
            "SealKeyMissing",
            "this node has no key for the attempt's seal (an older controller, or a reboot); try"
            " again once controller and agents have one version",
        ) from error


def forget(node: Node, side: Side) -> None:
    """The attempt ended."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_path(node, side.order))


def attempt_of(order: Order) -> str:
    """What a manifest is sealed for."""
    return f"{order.migration}.{order.attempt}"


def signed(secret: bytes, manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest with its seal."""
    return {**manifest, "seal": _mac(secret, manifest)}


def check(secret: bytes, manifest: dict[str, Any], attempt: str) -> None:
    """Raises AgentError SealBroken unless it was sealed with this key, for this attempt."""
    if not hmac.compare_digest(_mac(secret, manifest), str(manifest.get("seal"))):
        raise AgentError(
            "SealBroken",
            "the list of images was not sealed by the source of this attempt; nothing was restored."
            " Another node sent to this target, or the controller's certificate was renewed in the"
            " middle: look at both agents' logs, and try again",
        )
    if manifest.get("attempt") != attempt:
        raise AgentError(
            "SealBroken",
            f"the list of images was sealed for attempt {manifest.get('attempt')}, this is"
            f" {attempt}; nothing was restored",
        )


def _mac(secret: bytes, manifest: dict[str, Any]) -> str:
    plain = {name: value for name, value in manifest.items() if name != "seal"}
    text = json.dumps(plain, sort_keys=True).encode()
    return hmac.new(secret, text, hashlib.sha256).hexdigest()


def _path(node: Node, order: Order) -> str:
    return node.local(f"{node.run}/seals/{attempt_of(order)}")
