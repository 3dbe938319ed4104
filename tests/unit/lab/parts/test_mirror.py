"""The Debian mirror is found in a machine's own apt sources, as they are on real machines."""

from pathlib import Path

import pytest

from podferry.lab.parts import PartsError
from podferry.lab.parts.mirror import VARIABLE, debian_mirror

DEBIAN_12_CLOUD = """\
Types: deb
# http://snapshot.example.org/archive/debian/20250520T000000Z
URIs: http://mirror.example.org/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example.org/debian-security
Suites: bookworm-security
Components: main
"""
OTHER_VENDOR = """\
Types: deb
URIs: https://vendor.example.org/node_20.x
Suites: nodistro
Components: main
"""
UBUNTU_24 = """\
Types: deb
URIs: http://archive.example.org/ubuntu/
Suites: noble noble-updates
Components: main universe
"""
DEBIAN_12_CLASSIC = """\
#deb cdrom:[Debian GNU/Linux 12 _Bookworm_]/ bookworm main
deb-src http://src.example.org/debian bookworm main
deb http://security.example.org/debian-security bookworm-security main
deb [ arch=amd64 signed-by=/usr/x.gpg ] http://classic.example.org/debian/ bookworm main # note
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def test_a_deb822_file_of_debian_12_gives_its_mirror(apt: Path) -> None:
    (apt / "sources.list.d/a-vendor.sources").write_text(OTHER_VENDOR)
    (apt / "sources.list.d/debian.sources").write_text(DEBIAN_12_CLOUD)
    assert debian_mirror(apt) == "http://mirror.example.org/debian"


def test_a_classic_sources_list_gives_the_first_binary_mirror_without_its_slash(apt: Path) -> None:
    (apt / "sources.list").write_text(DEBIAN_12_CLASSIC)
    assert debian_mirror(apt) == "http://classic.example.org/debian"


def test_a_disabled_stanza_is_passed_over(apt: Path) -> None:
    disabled = "Enabled: no\n" + DEBIAN_12_CLOUD.replace("mirror.example", "off.example")
    (apt / "sources.list.d/debian.sources").write_text(f"{disabled}\n{DEBIAN_12_CLOUD}")
    assert debian_mirror(apt) == "http://mirror.example.org/debian"


def test_addresses_on_continued_lines_are_read(apt: Path) -> None:
    text = "Types: deb\nURIs:\n http://one.example.org/other\n http://two.example.org/debian\n"
    (apt / "sources.list.d/debian.sources").write_text(text)
    assert debian_mirror(apt) == "http://two.example.org/debian"


def test_the_variable_wins_over_the_sources(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (apt / "sources.list").write_text(DEBIAN_12_CLASSIC)
    monkeypatch.setenv(VARIABLE, "http://mine.example.org/debian/")
    assert debian_mirror(apt) == "http://mine.example.org/debian"


def test_ubuntu_without_the_variable_is_one_line_that_names_it(apt: Path) -> None:
    (apt / "sources.list.d/ubuntu.sources").write_text(UBUNTU_24)
    with pytest.raises(PartsError) as caught:
        debian_mirror(apt)
    assert VARIABLE in str(caught.value)
    assert "\n" not in str(caught.value)
