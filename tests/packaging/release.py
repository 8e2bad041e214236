"""Build and check what a release consists of, without publishing anything: `make release-check`.

It builds the wheel and the source archive, checks their metadata, licence and sizes, renders the cards of the
base policy, of trained policies and of the pairs, and lists what `corpo publish` would upload. Everything is
written to outputs/release/. It ends with an error if anything is missing or too large.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from email import message_from_string
from pathlib import Path
from zipfile import ZipFile

import yaml
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "outputs/release"
MAX_MEGABYTES = {".whl": 8, ".gz": 8}  # the base policy has 3.6 MB
BASE_FRONT_MATTER = {"license": "mit", "library_name": "transformers", "tags": ["corpo", "code-verification"]}
REPOSITORY = "OWNER/NAME"  # nothing is uploaded


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for archive in build_archives():
        check_archive(archive)
    folders = [base_folder(), *pipeline_folders()]
    for folder in folders:
        render_card(folder)
        run([sys.executable, "-m", "corpo", "publish", "upload", str(folder), REPOSITORY, "--dry-run"])
    print(f"release-check: {len(folders)} folders and the archives in {FOLDER} can be published")


def run(command: Sequence[str]) -> None:
    """Run a command in the checkout. Raises CalledProcessError if it fails."""
    print("$", *command, flush=True)
    subprocess.run(command, cwd=ROOT, check=True)


def build_archives() -> list[Path]:
    """Return the wheel and the source archive, which `twine check` finds valid."""
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(FOLDER), "."])
    archives = sorted([*FOLDER.glob("*.whl"), *FOLDER.glob("*.tar.gz")])
    run([sys.executable, "-m", "twine", "check", "--strict", *map(str, archives)])
    return archives


def check_archive(archive: Path) -> None:
    """Raise SystemExit if an archive lacks its licence or metadata, or is too large."""
    contents = archive_contents(archive)
    metadata = message_from_string(first(contents, ("METADATA", "PKG-INFO")))
    licence = first(contents, ("LICENSE",))
    problems = []
    if licence != (ROOT / "LICENSE").read_text():
        problems.append("its LICENSE is not that of the repository")
    if metadata["License-Expression"] != "MIT":
        problems.append(f"License-Expression is {metadata['License-Expression']}, not MIT")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    if metadata["Version"] != str(citation["version"]):
        problems.append(f"version {metadata['Version']}, but CITATION.cff has {citation['version']}")
    megabytes = archive.stat().st_size / 1e6
    if megabytes > MAX_MEGABYTES[archive.suffix]:
        problems.append(f"{megabytes:.1f} MB, more than {MAX_MEGABYTES[archive.suffix]} MB")
    if problems:
        raise SystemExit(f"{archive.name}: {'; '.join(problems)}")
    print(
        f"{archive.name}: {len(contents)} files, {megabytes:.1f} MB, licence and version as in the repository"
    )


def archive_contents(archive: Path) -> dict[str, bytes]:
    """Return the files of a wheel or a source archive by path."""
    if archive.suffix == ".whl":
        with ZipFile(archive) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist() if not name.endswith("/")}
    contents = {}
    with tarfile.open(archive) as source:
        for member in source.getmembers():
            if file := source.extractfile(member):
                contents[member.name] = file.read()
    return contents


def first(contents: dict[str, bytes], names: Sequence[str]) -> str:
    """Return the text of the file with one of the names that is nearest to the root; "" if there is none."""
    paths = [path for path in contents if Path(path).name in names]
    if not paths:
        return ""
    return contents[min(paths, key=lambda path: path.count("/"))].decode()


def base_folder() -> Path:
    """Return a copy of the shipped base policy with its card."""
    folder = FOLDER / "nano_base"
    shutil.copytree(ROOT / "data/nano_base", folder)
    front_matter = yaml.safe_dump(BASE_FRONT_MATTER, sort_keys=False)
    card = (ROOT / "data/README.md").read_text()
    (folder / "README.md").write_text(f"---\n{front_matter}---\n\n{card}")
    return folder


def pipeline_folders() -> list[Path]:
    """Return the trained policies of the tiny pipeline, and its pairs as they go to a hub."""
    where = ["experiment=tiny", f"outputs={FOLDER / 'tiny'}"]
    run([sys.executable, "-m", "corpo", "reproduce", *where, f"results={FOLDER / 'tiny/results'}"])
    run([sys.executable, "-m", "corpo", "publish", "pairs", *where])
    policies = sorted((FOLDER / "tiny/train").glob("*/policy"))
    pairs = sorted((FOLDER / "tiny/data").glob("*/hub"))
    if not policies or not pairs:
        raise SystemExit(f"{FOLDER / 'tiny'}: {len(policies)} policies and {len(pairs)} folders of pairs")
    return [*policies, *pairs]


def _split_card(text: str) -> tuple[str, str, str]:
    """Return the text before the front matter, the front matter, and the text behind it."""
    start, _, rest = text.partition("---\n")
    front_matter, _, body = rest.partition("---\n")
    return start, front_matter, body


def render_card(folder: Path) -> None:
    """Write the card of a folder as a page. Raises SystemExit if its front matter names no licence."""
    start, front_matter, body = _split_card((folder / "README.md").read_text())
    fields = yaml.safe_load(front_matter) or {}
    if start or not fields.get("license"):
        raise SystemExit(f"{folder}/README.md: the front matter names no licence")
    name = "-".join(folder.relative_to(FOLDER).parts)
    page = MarkdownIt("commonmark").enable("table").render(body)
    (FOLDER / f"card-{name}.html").write_text(f"<!doctype html><meta charset=utf-8>{page}")


if __name__ == "__main__":
    main()
