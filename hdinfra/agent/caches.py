"""Where nginx keeps a site's answers; they go when the site goes, or when it keeps none any more."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

CACHES = Path("/var/lib/nginx")
"""Of all folders that nginx may write to, the one that outlives a restart."""
_KEPT = re.compile(r"^proxy_cache_path (\S+) ", re.MULTILINE)


def cache_folder(key: str) -> str:
    """Of the site with that key."""
    return f"{CACHES}/cache-{key}"


def drop_caches(files: Iterable[str], caches: Path = CACHES) -> None:
    """Throw away what no site keeps any more. `files`: all of nginx's policy files, as they lie on the disk."""
    texts = (path.read_text() for path in map(Path, files) if path.name.endswith(".nginx.conf") and path.exists())
    kept = {Path(found).name for text in texts for found in _KEPT.findall(text)}
    for folder in caches.glob("cache-site-*"):
        if folder.name not in kept:
            # Old workers may be writing there until they end; what they leave goes with the next change.
            shutil.rmtree(folder, ignore_errors=True)
