"""Put a trained policy, or a data set, with its card on the hub: `corpo push FOLDER OWNER/NAME [--public] [--dry-run]`.

FOLDER is the policy/ that training wrote, or the hub/ that `corpo export` wrote. Needs HF_HUB_OFFLINE=0 and a login.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from corpo.policy.load import policy_hash
from corpo.utils.errors import ModelError


def kind_of(folder: Path) -> str:
    """Model or dataset, as the hub calls them. Raises ModelError where the folder is neither with a card."""
    kind = "dataset" if any(folder.glob("data/*.parquet")) else "model"
    if kind == "model":
        policy_hash(str(folder))
    if not (folder / "README.md").is_file():
        raise ModelError(
            f"{folder}: no card; give the policy/ folder that training wrote, or the hub/ folder that corpo export wrote"
        )
    return kind


def files_of(folder: Path) -> list[Path]:
    """What would go up: of a data set its parts, too."""
    return sorted(path for path in [*folder.iterdir(), *folder.glob("data/*.parquet")] if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="corpo push", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("repository")
    parser.add_argument("--public", action="store_true", help="anyone may see it (default: private)")
    parser.add_argument("--dry-run", action="store_true", help="list what would go up")
    options = parser.parse_args()
    try:
        if not options.folder.is_dir():
            raise ModelError(f"{options.folder}: no such folder")
        kind, files = kind_of(options.folder), files_of(options.folder)
    except ModelError as error:
        print(f"corpo: {error}", file=sys.stderr)
        sys.exit(2)
    names = [str(path.relative_to(options.folder)) for path in files]
    print(
        f"a {kind}:",
        *(f"{path.stat().st_size:>12,}  {name}" for path, name in zip(files, names, strict=True)),
        sep="\n",
    )
    if options.dry_run:
        return
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    api = HfApi()
    try:
        api.create_repo(options.repository, repo_type=kind, private=not options.public, exist_ok=True)
        print(
            api.upload_folder(
                repo_id=options.repository, repo_type=kind, folder_path=options.folder, allow_patterns=names
            )
        )
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError, ValueError) as error:
        print(f"corpo: {options.repository}: {' '.join(str(error).split())[:200]}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
