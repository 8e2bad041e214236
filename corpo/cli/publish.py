"""`corpo publish`: export pairs for other trainers, and upload policies and data sets to the hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from corpo.cli.nearest import ArgumentParser, nearest
from corpo.utils.errors import ConfigError, ModelError


def main(arguments: Sequence[str]) -> None:
    """Run `publish pairs` or `publish upload`."""
    action, *rest = list(arguments) or [""]
    if action == "pairs":
        from corpo.cli import jobs
        from corpo.cli.hydra_app import run_job
        from corpo.cli.old_options import translate_old_options

        run_job(jobs.EXPORT_PAIRS, translate_old_options(rest))
    elif action == "upload":
        _upload(rest)
    else:
        hint = nearest(action, ("pairs", "upload"))
        raise ConfigError(
            f"publish {action}: no such action{hint}; choose `publish pairs` or "
            "`publish upload FOLDER OWNER/NAME`"
        )


def _upload(arguments: Sequence[str]) -> None:
    parser = ArgumentParser(prog="corpo publish upload")
    parser.add_argument("folder", type=Path)
    parser.add_argument("repository", metavar="OWNER/NAME")
    parser.add_argument("--public", action="store_true")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args(arguments)
    kind, files = repository_type(options.folder), uploaded_files(options.folder)
    names = [str(path.relative_to(options.folder)) for path in files]
    print(f"{kind} with {len(files)} files:")
    for path, name in zip(files, names, strict=True):
        print(f"{path.stat().st_size:>12,}  {name}")
    if options.dry_run:
        return
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    api, repository = HfApi(), options.repository
    try:
        api.create_repo(repository, repo_type=kind, private=not options.public, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repository, repo_type=kind, folder_path=options.folder, allow_patterns=names
        )
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError, ValueError) as error:
        raise ModelError(f"{repository}: {' '.join(str(error).split())[:200]}") from error
    print(commit)


def repository_type(folder: Path) -> str:
    """Return "model" or "dataset". Raises ModelError if the folder is neither, or has no card."""
    from corpo.policy.load import policy_hash

    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder")
    kind = "dataset" if any(folder.glob("data/*.parquet")) else "model"
    if kind == "model":
        policy_hash(str(folder))  # raises if there are no weights
    if not (folder / "README.md").is_file():
        raise ModelError(
            f"{folder}: no card (README.md); give the policy/ folder that training wrote, "
            "or the hub/ folder that `corpo publish pairs` wrote"
        )
    return kind


def uploaded_files(folder: Path) -> list[Path]:
    """Return the files that are uploaded: those of the folder and, of a data set, its parts."""
    paths = [*folder.iterdir(), *folder.glob("data/*.parquet")]
    return sorted(path for path in paths if path.is_file())
