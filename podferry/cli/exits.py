"""Exit codes of the command line, documented in docs/reference/cli.md. Constants only."""

from __future__ import annotations

DONE = 0
"""It was done; a followed migration ended `Succeeded`."""
ENDED_OTHERWISE = 1
"""A followed migration ended otherwise, or the request was refused or failed."""
BAD_INPUT = 2
"""The request makes no sense; nothing was sent or written."""
UNREACHABLE = 3
"""No answer from the API server."""
INTERRUPTED = 130
"""Ctrl-C; a migration that was asked for goes on."""

MEANING = {
    DONE: "done; with `--wait` the migration ended `Succeeded`; `drain`: nothing to drain is left "
    "(`--dry-run`, `--no-wait`: all can be moved); `top` ended by Ctrl-C",
    ENDED_OTHERWISE: "the migration ended `RolledBack`, `Failed`, `Cancelled` or `ColdRestarted`, "
    "or the API server refused the request; `drain`: some pods are left, each with its reason; "
    "`support-bundle`: written without some parts, each with its reason, or not written; "
    "`plan`, `top`: no controller leads, no such node, or you lack the right to it",
    BAD_INPUT: "usage or bad input; nothing was sent or written",
    UNREACHABLE: "the cluster cannot be reached",
    INTERRUPTED: "interrupted; a migration that was asked for goes on; `simulate` keeps the runs "
    "that are done",
}
