"""The versions of a Debian root are those that dpkg recorded in it."""

from pathlib import Path

from podferry.lab.parts.debian import package_versions

STATUS = """\
Package: criu
Status: install ok installed
Version: 4.2.1-1
Description: checkpoint and restore
 Version: not a field

Package: etcd-server
Status: install ok installed
Version: 3.5.30-2

Package: bash
Version: 5.3-4
"""


def test_versions_of_the_asked_packages_are_read_from_the_dpkg_status(tmp_path: Path) -> None:
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(STATUS)
    found = package_versions(tmp_path, ("criu", "etcd-server", "absent"))
    assert found == {"criu": "4.2.1-1", "etcd-server": "3.5.30-2"}
