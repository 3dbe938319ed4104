"""Makes the wrapper's single file: the template with the constants of `podferry.wire` in it."""

from __future__ import annotations

from pathlib import Path

from podferry.wire import names

TEMPLATE = Path(__file__).with_name("wrapper.py.in")
CONSTANTS = (
    "ANNOTATION_RESTORE",
    "ANNOTATION_RESTORE_ROLE",
    "ANNOTATION_RESTORE_CONTAINER",
    "ANNOTATION_RESTORE_HOOKS",
    "STATE_DIR",
    "RUN_DIR",
    "CREATE_HOLD_SECONDS",
)


def render() -> str:
    """Text of wrapper.py."""
    lines = [f"{name} = {getattr(names, name)!r}" for name in CONSTANTS]
    return TEMPLATE.read_text().replace("# @constants@", "\n".join(lines))
