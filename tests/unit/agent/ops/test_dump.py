"""The command line of a dump, and what is said of one that failed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from podferry.agent.ops import dump
from podferry.agent.ops.freezer import Cgroup
from podferry.agent.ops.host import Host

SPEC = dump.DumpSpec(
    container_id="c1",
    folder="/f",
    images_dir="/f/images",
    work_dir="/f/work",
    options=("page-server", "ps-socket 9"),
    carrier=("sender", "--"),
)
PLAIN = [
    *("runc", "--root", "/run/containerd/runc/k8s.io", "checkpoint", "--leave-running"),
    *("--tcp-established", "--ext-unix-sk", "--file-locks", "--manage-cgroups-mode", "ignore"),
    *("--image-path", "/f/images", "--work-path", "/f/work", "c1"),
]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "f/work").mkdir(parents=True)
    return Host(str(tmp_path), enter=False)


def test_stop_and_copy_runs_under_what_carries_its_pages() -> None:
    assert dump.command(SPEC) == ["sender", "--", *PLAIN]


def test_post_copy_serves_its_pages_and_says_when_through_a_fifo() -> None:
    lazy = dump.DumpSpec("c1", "/f", "/f/images", "/f/work", serve=("0.0.0.0", 9560))
    found = dump.command(lazy)
    assert found[:4] == ["sh", "-c", 'exec 7>"$0"; exec "$@"', "/f/status"]
    assert found[4:12] == PLAIN[:8]
    words = " ".join(found)
    assert "--lazy-pages --status-fd 7" in words
    assert "--page-server 0.0.0.0:9560" in words


def test_a_dump_to_a_folder_names_no_page_server() -> None:
    found = dump.command(dump.DumpSpec("c1", "/f", "/f/images", "/f/work"))
    assert "--page-server" not in found


def test_criu_s_own_errors_come_first_and_its_noise_is_left_out(host: Host, tmp_path: Path) -> None:
    (tmp_path / "f/work/dump.log").write_text(
        "(0.01) Error (criu/util.c:1): Can't set RLIMIT_NOFILE\n"
        "(0.02) Error (criu/sk-inet.c:2): Connected TCP socket, consider --tcp\n"
        "(0.03) Warn  (criu/x.c:3): whatever\n"
        "(0.04) Error (criu/cr-dump.c:4): Dumping FAILED.\n"
    )
    (tmp_path / "f/dump.out").write_text("criu failed\n")
    assert dump.explain(host, SPEC, 1) == (
        "criu: Connected TCP socket, consider --tcp; Dumping FAILED."
    )


def test_without_a_log_the_last_words_of_runc_count(host: Host, tmp_path: Path) -> None:
    (tmp_path / "f/dump.out").write_text("first\ncontainer does not exist\n")
    assert dump.explain(host, SPEC, 1) == "container does not exist"


def test_without_any_words_the_exit_code_is_told(host: Host) -> None:
    assert dump.explain(host, SPEC, 137) == "runc checkpoint ended with 137 and left no log"


def test_a_dump_that_ended_badly_is_an_error(host: Host, tmp_path: Path) -> None:
    (tmp_path / "f/dump.rc").write_text("1\n")
    (tmp_path / "f/dump.out").write_text("refused\n")
    with pytest.raises(dump.DumpFailed, match="refused"):
        dump.wait(host, SPEC, Cgroup(tmp_path, v2=False), seconds=5)


def test_a_dump_that_left_its_tasks_running_is_void(host: Host, tmp_path: Path) -> None:
    (tmp_path / "f/dump.rc").write_text("0\n")
    with pytest.raises(dump.DumpFailed, match="images are void"):
        dump.wait(host, SPEC, Cgroup(tmp_path / "gone", v2=False), seconds=5)


def test_a_good_dump_ends_with_the_tasks_frozen(host: Host, tmp_path: Path) -> None:
    (tmp_path / "f/dump.rc").write_text("0\n")
    (tmp_path / "freezer.state").write_text("THAWED\n")
    dump.wait(host, SPEC, Cgroup(tmp_path, v2=False), seconds=5)
    assert (tmp_path / "freezer.state").read_text() == "FROZEN"


def test_a_dump_that_serves_its_pages_has_frozen_tasks(host: Host, tmp_path: Path) -> None:
    """Until criu ends only ptrace holds them, and a criu that is killed would let them run."""
    (tmp_path / "freezer.state").write_text("THAWED\n")
    os.mkfifo(tmp_path / "f/status")
    criu = os.open(tmp_path / "f/status", os.O_RDWR)
    os.write(criu, b"\0")
    try:
        dump.wait(
            host, replace(SPEC, serve=("0.0.0.0", 9560)), Cgroup(tmp_path, v2=False), seconds=5
        )
    finally:
        os.close(criu)
    assert (tmp_path / "freezer.state").read_text() == "FROZEN"


def test_a_dump_that_does_not_end_is_an_error_with_the_time(host: Host, tmp_path: Path) -> None:
    with pytest.raises(dump.DumpFailed, match="within 0 s"):
        dump.wait(host, SPEC, Cgroup(tmp_path, v2=False), seconds=0.01)
