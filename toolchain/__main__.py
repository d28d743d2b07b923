"""`python -m toolchain setup` brings the engines; quiet and quick where all is there."""

import argparse
import os
import sys
from pathlib import Path

from toolchain.container_engine import Host, ensure_container_engine
from toolchain.metal import ensure_metal
from toolchain.pulumi_engine import Setting, ensure_pulumi
from toolchain.talk import ToolchainError


def main() -> int:
    """0 when all is there, 1 with a message that says what to do."""
    parser = argparse.ArgumentParser(prog="python -m toolchain", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help="setup (default: pulumi and containers), pulumi, containers, metal"
    )
    parts = set(parser.parse_args().parts or ["setup"])
    if unknown := parts - {"setup", "pulumi", "containers", "metal"}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    try:
        if parts & {"setup", "pulumi"}:
            # The folder of the link `python`, not of what it points to.
            ensure_pulumi(Setting(Path(sys.executable).parent, os.environ))
        if parts & {"setup", "containers"}:
            ensure_container_engine(Host(os.environ))
        if "metal" in parts:
            ensure_metal(Host(os.environ))
    except ToolchainError as error:
        print(f"toolchain: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
