"""Tests of the checks of a release: what they refuse. `make release-check` runs them on the real archives."""

from __future__ import annotations

import io
import tarfile
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.command import ROOT
from tests.packaging import release

METADATA = "Metadata-Version: 2.4\nName: corpo-rl\nVersion: {version}\nLicense-Expression: {licence}\n\n"
LICENCE = (ROOT / "LICENSE").read_text()
VERSION = str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def _archive(folder: Path, suffix: str, files: dict[str, str]) -> Path:
    """Write a wheel or a source archive with these files."""
    path = folder / f"corpo_rl{suffix}"
    if suffix == ".whl":
        with ZipFile(path, "w") as wheel:
            for name, text in files.items():
                wheel.writestr(name, text)
        return path
    with tarfile.open(path, "w:gz") as source:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            source.addfile(member, io.BytesIO(text.encode()))
    return path


@pytest.mark.parametrize("suffix", [".whl", ".tar.gz"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, ""),
        ({"licence_text": "none"}, "its LICENSE is not that of the repository"),
        ({"licence": "GPL-3.0"}, "License-Expression is GPL-3.0, not MIT"),
        ({"version": "0.0.1"}, "version 0.0.1, but CITATION.cff has"),
    ],
)
def test_archive_with_another_licence_or_version_is_refused(
    tmp_path: Path, suffix: str, changes: dict[str, str], message: str
) -> None:
    fields = {"version": VERSION, "licence": "MIT", "licence_text": LICENCE} | changes
    metadata = METADATA.format(version=fields["version"], licence=fields["licence"])
    files = {"a/METADATA": metadata, "a/LICENSE": fields["licence_text"], "a/vendored/LICENSE": "another"}
    if suffix == ".tar.gz":
        files["a/PKG-INFO"] = files.pop("a/METADATA")
    archive = _archive(tmp_path, suffix, files)
    if not message:
        release.check_archive(archive)
        return
    with pytest.raises(SystemExit, match=message):
        release.check_archive(archive)


def test_archive_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(release.MAX_MEGABYTES, ".whl", 0)
    metadata = METADATA.format(version=VERSION, licence="MIT")
    archive = _archive(tmp_path, ".whl", {"a/METADATA": metadata, "a/LICENSE": LICENCE})
    with pytest.raises(SystemExit, match="MB, more than 0 MB"):
        release.check_archive(archive)


@pytest.mark.parametrize(
    "card", ["# No front matter", "---\ntags: [corpo]\n---\n# No licence", "---\n---\n# Empty"]
)
def test_card_without_a_licence_is_refused(tmp_path: Path, card: str) -> None:
    (tmp_path / "README.md").write_text(card)
    with pytest.raises(SystemExit, match=r"README\.md: the front matter names no licence"):
        release.render_card(tmp_path)


def test_card_becomes_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "FOLDER", tmp_path)
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: mit\n---\n\n| a |\n| --- |\n| --- b |\n")
    release.render_card(folder)
    assert "<td>--- b</td>" in (tmp_path / "card-policy.html").read_text()
