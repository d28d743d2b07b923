"""Where tenants' nginx keep sites' answers; they go when the site goes, or when it keeps none any more."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from .paths import TENANT_CACHES
from .tenant_names import key_of

_KEPT = re.compile(r"^proxy_cache_path (\S+) ", re.MULTILINE)


def cache_folder(tenant: str, site: str) -> str:
    """Of the tenant's site with that key."""
    return f"{TENANT_CACHES}/{key_of(tenant)}/cache-{site}"


def drop_caches(files: Iterable[str], caches: Path = Path(TENANT_CACHES)) -> None:
    """Throw away what no site keeps any more. `files`: all of nginx's policy files, as they lie on the disk."""
    texts = (path.read_text() for path in map(Path, files) if path.name.endswith(".nginx.conf") and path.exists())
    kept = {found.removeprefix(f"{TENANT_CACHES}/") for text in texts for found in _KEPT.findall(text)}
    for folder in caches.glob("*/cache-site-*"):
        if str(folder.relative_to(caches)) not in kept:
            # Old workers may be writing there until they end; what they leave goes with the next change.
            shutil.rmtree(folder, ignore_errors=True)
