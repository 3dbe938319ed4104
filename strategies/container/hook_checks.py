"""What a pod's postStart hooks say against moving it. Pure.

The hook ran when the workload started. kubelet asks for it again at the target, right after the
start of the restored container; an exec hook passes the node's wrapper there, which answers it and
runs nothing. Owns: which hooks that works for, and the note by which the wrapper knows the command.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from podferry.api.reasons import Reason
from podferry.strategies.container.finding import Finding, RawPod, app_containers, title

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_REFERENCE = re.compile(r"\$\$|\$\([^)]*\)")


def check_hooks(pod: RawPod) -> Iterator[Finding]:
    """Yield what stands against a move: hooks that the wrapper does not see or cannot tell apart.

    A `sleep` is kubelet's own and touches nothing: it only delays the pod's readiness.
    """
    for one in app_containers(pod):
        hook = (one.get("lifecycle") or {}).get("postStart") or {}
        where = f"container {one.get('name')} of {title(pod)}"
        command = _command(hook)
        if not command:
            kinds = [kind for kind in hook if kind != "sleep"]
            if kinds:
                yield Finding(
                    Reason.LIFECYCLE_HOOK,
                    f"{where} has a postStart hook of the kind {kinds[0]}: kubelet sends it itself,"
                    " and would again at the target; make it an exec hook, which is passed over"
                    " there, or do its work in the container's own start",
                )
            continue
        for kind, other in _other_commands(one):
            if _may_be(other, command):
                yield Finding(
                    Reason.LIFECYCLE_HOOK,
                    f"{where} has the command of its postStart hook as its {kind} too"
                    f" ({' '.join(command)[:80]}): the one could not be told from the other at the"
                    " target; give one of them another argument",
                )


def restore_note(spec: dict[str, Any]) -> str:
    """Return the value of ANNOTATION_RESTORE_HOOKS for a pod's spec, empty without exec hooks."""
    found = {}
    for one in app_containers({"spec": spec}):
        command = _command((one.get("lifecycle") or {}).get("postStart") or {})
        if command:
            found[one["name"]] = command
    return json.dumps(found, sort_keys=True) if found else ""


def _command(hook: dict[str, Any]) -> list[str]:
    return [str(word) for word in (hook.get("exec") or {}).get("command") or []]


def _other_commands(container: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """All else that kubelet runs in a container, with how kubelet would call it."""
    for kind in _PROBES:
        yield kind, _command(container.get(kind) or {})
    yield "preStop hook", _command((container.get("lifecycle") or {}).get("preStop") or {})


def _may_be(other: list[str], command: list[str]) -> bool:
    """Whether kubelet may call `other` with the words of `command`.

    In probes it replaces `$(NAME)` by the container's environment, which can be anything.
    """
    return len(other) == len(command) and all(
        word == wanted or re.fullmatch(_pattern(word), wanted, re.DOTALL)
        for word, wanted in zip(other, command, strict=True)
    )


def _pattern(word: str) -> str:
    """A probe's word as a regular expression of what it can become."""
    literal = [re.escape(part) for part in _REFERENCE.split(word)]
    marks = ["\\$" if mark == "$$" else ".*" for mark in _REFERENCE.findall(word)]
    return "".join(part + mark for part, mark in zip(literal, [*marks, ""], strict=True))
