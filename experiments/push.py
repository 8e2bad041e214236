"""Put a trained policy with its model card on the hub: `corpo push FOLDER OWNER/NAME [--public] [--dry-run]`. Needs HF_HUB_OFFLINE=0 and a login."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from corpo.policy.load import ModelError, policy_hash


def files_of(folder: Path) -> list[Path]:
    """What would go up. Raises ModelError where the folder is no policy with a card."""
    policy_hash(str(folder))
    if not (folder / "README.md").is_file():
        raise ModelError(f"{folder}: no model card; give the policy/ folder that training wrote")
    return sorted(path for path in folder.iterdir() if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(prog="corpo push", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("repository")
    parser.add_argument("--public", action="store_true", help="anyone may see it (default: private)")
    parser.add_argument("--dry-run", action="store_true", help="list what would go up")
    options = parser.parse_args()
    try:
        if not options.folder.is_dir():
            raise ModelError(f"{options.folder}: no such folder")
        files = files_of(options.folder)
    except ModelError as error:
        print(f"corpo: {error}", file=sys.stderr)
        sys.exit(2)
    print(*(f"{path.stat().st_size:>12,}  {path.name}" for path in files), sep="\n")
    if options.dry_run:
        return
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    api = HfApi()
    try:
        api.create_repo(options.repository, private=not options.public, exist_ok=True)
        print(api.upload_folder(repo_id=options.repository, folder_path=options.folder, allow_patterns=[path.name for path in files]))
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError, ValueError) as error:
        print(f"corpo: {options.repository}: {' '.join(str(error).split())[:200]}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
