"""containerd's PATH may be short; runc, which looks for criu in it, gets the usual folders too."""

from __future__ import annotations

import pytest

from tests.unit.runtime_wrapper.conftest import Sandbox

USUAL = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [("/opt/distribution/bin", f"/opt/distribution/bin:{USUAL}"), ("", USUAL)],
    ids=["short", "empty"],
)
def test_runc_gets_the_usual_folders_behind_those_of_containerd(
    box: Sandbox, given: str, passed_on: str
) -> None:
    told = box.root / "path"
    box.runc.write_text(f'#!/bin/sh\nprintf %s "$PATH" > {told}\n')
    box.env["PATH"] = given
    assert box.call("state", "c1")[0] == 0
    assert told.read_text() == passed_on
