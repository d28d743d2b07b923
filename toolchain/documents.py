"""Documents that are written from the code: the table of rules and the JSON schemas of specs, for editors."""

import argparse
import json
import sys
from pathlib import Path

from hdinfra.model.byol import ByolSpec
from hdinfra.model.failover.cloudflare_spec import CloudflareSpec, PairSpec
from hdinfra.model.failover.spec import FailoverSpec
from hdinfra.model.hardware.spec import HardwareSpec
from hdinfra.model.rules import rules_markdown
from hdinfra.model.spec import ZoneSpec
from hdinfra.model.spec_file import json_schema
from hdinfra.operate.status_document import StatusDocument

ROOT = Path(__file__).parents[1]


def documents() -> dict[str, str]:
    """Path in the checkout to what it should say."""
    return {
        "docs/rules.md": rules_markdown(),
        "docs/byol.schema.json": json.dumps(json_schema(ByolSpec), indent=2, ensure_ascii=False) + "\n",
        "docs/failover.schema.json": json.dumps(json_schema(FailoverSpec), indent=2, ensure_ascii=False) + "\n",
        "docs/edge.schema.json": json.dumps(json_schema(CloudflareSpec), indent=2, ensure_ascii=False) + "\n",
        "docs/hardware.schema.json": json.dumps(json_schema(HardwareSpec), indent=2, ensure_ascii=False) + "\n",
        "docs/pair.schema.json": json.dumps(json_schema(PairSpec), indent=2, ensure_ascii=False) + "\n",
        "docs/status.schema.json": json.dumps(json_schema(StatusDocument), indent=2, ensure_ascii=False) + "\n",
        "docs/spec.schema.json": json.dumps(json_schema(ZoneSpec), indent=2, ensure_ascii=False) + "\n",
    }


def stale(root: Path) -> list[str]:
    """Those that say something else, or are missing."""
    return [path for path, text in documents().items() if not is_same(root / path, text)]


def is_same(path: Path, text: str) -> bool:
    """Whether the file says exactly this."""
    return path.is_file() and path.read_text() == text


def main() -> int:
    """Write them; with --check only name those that are stale."""
    parser = argparse.ArgumentParser(prog="python -m toolchain.documents", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, end with 1 where some are stale")
    found = stale(ROOT)
    if parser.parse_args().check:
        for path in found:
            print(f"{path} is not what the code says.\n  fix: make docs", file=sys.stderr)
        return 1 if found else 0
    for path in found:
        (ROOT / path).write_text(documents()[path])
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
