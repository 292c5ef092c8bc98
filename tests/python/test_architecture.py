"""The folders of the C++ core include each other in one direction only."""

import re
from pathlib import Path

import pytest

INCLUDE = Path(__file__).resolve().parents[2] / "cpp" / "include" / "spikeglm"

# Each folder and the folders that its headers may include besides their own.
ALLOWED = {
    "basis": {"design", "backend"},
    "design": {"backend"},
    "glm": {"design", "solver", "backend"},
    "solver": {"backend"},
    "backend": set(),
}


def _includes(header):
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', header.read_text(), re.MULTILINE)


def _headers():
    return sorted(INCLUDE.rglob("*.hpp"))


def test_every_folder_has_a_place():
    assert {path.name for path in INCLUDE.iterdir() if path.is_dir()} == set(ALLOWED)


@pytest.mark.parametrize("header", _headers(), ids=lambda path: str(path.relative_to(INCLUDE)))
def test_header_includes(header):
    includes = _includes(header)
    assert not [name for name in includes if name.startswith(("Eigen/", "unsupported/"))], (
        "public headers show no Eigen"
    )
    own = [name.removeprefix("spikeglm/") for name in includes if name.startswith("spikeglm/")]
    missing = [name for name in own if not (INCLUDE / name).is_file()]
    assert not missing
    folder = header.relative_to(INCLUDE).parts[0]
    if folder in ALLOWED:
        used = {Path(name).parts[0] for name in own} - {folder}
        assert used <= ALLOWED[folder]
    assert header.read_text().startswith("#pragma once\n")


SOURCES = sorted((INCLUDE.parents[1] / "src").rglob("*.[ch]pp"))
# What runs bin by bin lies behind a C interface: it has sources only, and nothing includes it.
ONLINE = {"basis", "glm", "backend", "online.h", "online_decoding.h"}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: "/".join(path.parts[-2:]))
def test_online_is_on_top(source):
    own = [name.removeprefix("spikeglm/") for name in _includes(source) if "spikeglm/" in name]
    used = {Path(name).parts[0] for name in own}
    if source.parent.name == "online":
        assert used <= ONLINE
    else:
        assert not [name for name in _includes(source) if "online" in name]
