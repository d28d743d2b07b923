"""Empties a checkout. Standard library only: it runs when the environment is already gone."""

import json
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CACHES = (".venv", ".uv", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".import_linter_cache")
STATE = ".state"
CONFIG = "stacks/Pulumi.local.yaml"


def stacks_up(root: Path) -> list[str]:
    """Stacks in this checkout's own backend that still hold resources; without their state nobody could remove them."""
    files = sorted((root / STATE / "backend" / ".pulumi" / "stacks").rglob("*.json"))
    return [path.stem for path in files if holds_resources(path)]


def holds_resources(checkpoint: Path) -> bool:
    """A file that cannot be read as a checkpoint counts as one that does."""
    try:
        latest = json.loads(checkpoint.read_text())["checkpoint"]["latest"] or {}
    except (OSError, ValueError, KeyError):
        return True
    return bool(latest.get("resources") or latest.get("pending_operations"))


def clean(root: Path) -> list[str]:
    """Remove what can be made again; the names of stacks for whose sake the state was kept."""
    up = stacks_up(root)
    for name in CACHES if up else (*CACHES, STATE):
        shutil.rmtree(root / name, ignore_errors=True)
    if not up:
        (root / CONFIG).unlink(missing_ok=True)
    for folder in (*root.glob("*/"), root):
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    return up


def main() -> int:
    """Clean this checkout and say what stayed."""
    if up := clean(ROOT):
        print(f"{STATE} stays: {', '.join(up)} is not down.\n  fix: make down clean", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
