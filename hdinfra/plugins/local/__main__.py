"""`pulumi-resource-hdlocal`: the local cloud's provider plugin."""

import sys

from hdinfra.plugins.local.package import LocalCloud
from hdinfra.plugins.serve import serve


def main() -> int:
    """Serves the plugin until the engine ends it."""
    return serve(LocalCloud())


if __name__ == "__main__":
    sys.exit(main())
