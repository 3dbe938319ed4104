"""wrapper.py is the template with the constants of podferry.wire, as generated."""

from __future__ import annotations

import runpy
from pathlib import Path

import podferry.runtime_wrapper as package
from podferry.runtime_wrapper import generate
from podferry.wire import names

WRAPPER = Path(package.__file__).with_name("wrapper.py")


def test_the_file_in_the_tree_is_what_the_generator_makes() -> None:
    assert WRAPPER.read_text() == generate.render()


def test_its_constants_are_those_of_the_protocol() -> None:
    found = runpy.run_path(str(WRAPPER), run_name="looked-at")
    assert {name: found[name] for name in generate.CONSTANTS} == {
        name: getattr(names, name) for name in generate.CONSTANTS
    }


def test_the_front_and_the_freeze_script_use_the_same_folders() -> None:
    front = WRAPPER.with_name("podferry-runc.sh").read_text()
    assert f"\nrun={names.RUN_DIR}\n" in front
    assert f"{names.INSTALL_DIR}/wrapper.py" in front
    assert f"{names.INSTALL_DIR}/skip_hook.py" in front
    assert f"{names.INSTALL_DIR}/runc-path" in front
    assert names.ANNOTATION_RESTORE.replace(".", "\\.") in front
