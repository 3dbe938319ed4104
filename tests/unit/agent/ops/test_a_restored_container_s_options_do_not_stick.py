"""runc hands criu the file of a container's restore again at its next dump; it must not say so."""

from __future__ import annotations

import json
from pathlib import Path

from podferry.agent.ops import dump
from podferry.agent.ops.host import Host


def test_the_file_of_the_restore_is_written_anew_for_the_dump(tmp_path: Path) -> None:
    kept = tmp_path / "run/podferry/criu/c1.conf"
    kept.parent.mkdir(parents=True)
    kept.write_text("tcp-close\naction-script /opt/podferry/bin/podferry-freeze\n")
    state = tmp_path / dump.RUNC_ROOT.removeprefix("/") / "c1/state.json"
    state.parent.mkdir(parents=True)
    labels = ["bundle=/b", "org.criu.config=/run/podferry/criu/c1.conf"]
    state.write_text(json.dumps({"config": {"labels": labels}}))
    (tmp_path / "f").mkdir()
    spec = dump.DumpSpec("c1", "/f", "/f/images", "/f/work", options=("tls",))
    own = dump._configure(Host(str(tmp_path), enter=False), spec)
    assert kept.read_text() == "network-lock skip\nghost-limit 64M\ntls\n"
    assert (tmp_path / own.removeprefix("/")).read_text() == kept.read_text()
