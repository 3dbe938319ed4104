"""The CRIU configuration of one restore, and the script that keeps the target frozen.

A configuration path stays with a container for its later checkpoints, so each operation gets a
file of its own. See docs/decisions/0002 for the script.
"""

from __future__ import annotations

from podferry.wire import names

FREEZE_SCRIPT = f"{names.INSTALL_DIR}/bin/podferry-freeze"


def render(*, tls_dir: str = "", script: str = FREEZE_SCRIPT) -> str:
    """Text of the file. `tls_dir` (PostCopy) names the agents' certificate folder on the node."""
    # Our shield is the network lock: criu would leave its own behind when killed.
    lines = ["tcp-close", "network-lock skip", f"action-script {script}"]
    lines += tls_lines(tls_dir)
    return "\n".join(lines) + "\n"


def tls_lines(tls_dir: str) -> list[str]:
    """CRIU options for a page stream that is encrypted and authenticated both ways."""
    if not tls_dir:
        return []
    return [
        "tls",
        f"tls-cacert {tls_dir}/ca.crt",
        f"tls-cert {tls_dir}/tls.crt",
        f"tls-key {tls_dir}/tls.key",
        "tls-no-cn-verify",
    ]
