"""Images are spent by their restore, since criu gives pages back as it reads: no second one."""

from __future__ import annotations

import pytest

from tests.unit.runtime_wrapper.conftest import ATTEMPT, Sandbox


@pytest.fixture
def spending(box: Sandbox) -> Sandbox:
    """A create whose order to restore, spending the images, is there already."""
    box.config(restore=ATTEMPT)
    box.plan("restore", "replacement", spend=True)
    (box.target() / "images").mkdir()
    box.frozen_group()
    return box


def test_the_images_are_marked_and_criu_is_told_to_give_pages_back(spending: Sandbox) -> None:
    assert spending.create()[0] == 0
    assert "--auto-dedup" in spending.calls()[0]
    assert (spending.target() / "images/SPENT").exists()


def test_marked_images_are_refused_and_the_agent_is_told(spending: Sandbox) -> None:
    (spending.target() / "images/SPENT").touch()
    code, errors = spending.create()
    assert code == 1
    assert "would read zeros" in errors
    assert spending.read("failed-replacement.json")["reason"] == "ImagesSpent"
    assert spending.calls() == []


def test_images_that_are_needed_again_are_left_whole(spending: Sandbox) -> None:
    spending.plan("restore", "replacement", spend=False)
    assert spending.create()[0] == 0
    assert "--auto-dedup" not in spending.calls()[0]
    assert not (spending.target() / "images/SPENT").exists()


def test_images_that_are_gone_are_not_restored(spending: Sandbox) -> None:
    (spending.target() / "images").rmdir()
    assert spending.create()[0] == 1
    assert spending.read("failed-replacement.json")["reason"] == "ImagesSpent"
    assert spending.calls() == []
