"""Pebble, an ACME server for tests, built from pinned Go modules and kept in the user's cache folder."""

from collections.abc import Mapping
from pathlib import Path

from toolchain.cache import cache_folder, digest, kept
from toolchain.go_build import HERE, build, fetch_go, find_go
from toolchain.talk import say

MODULES = HERE / "pebble"
PACKAGE = "github.com/letsencrypt/pebble/v2/cmd/pebble"


def ensure_pebble(environment: Mapping[str, str]) -> Path:
    """The program `pebble`; the first call builds it."""
    cache = cache_folder(environment)
    pins = digest(*((MODULES / name).read_bytes() for name in ("go.mod", "go.sum")))

    def make(folder: Path) -> None:
        say("building pebble, an ACME server for tests (half a minute on 2 cores, once)")
        go = find_go(environment) or fetch_go(cache)
        build(go, MODULES, ["-ldflags", "-s -w", "-o", str(folder / "pebble"), PACKAGE], environment)

    return kept(cache / f"pebble-{pins}", make) / "pebble"
