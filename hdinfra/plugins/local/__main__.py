"""`pulumi-resource-hdlocal`: the local cloud's provider plugin."""

import sys
from importlib.util import find_spec


def main() -> int:
    """Serves the plugin until the engine ends it."""
    if find_spec("docker") is None:
        sys.exit('the local cloud needs the package `docker`; fix: pip install "hdinfra[local]"')
    from hdinfra.plugins.messages import leave_out_the_sdk  # noqa: PLC0415

    leave_out_the_sdk()
    from hdinfra.plugins.local.package import LocalCloud  # noqa: PLC0415  needs the extra
    from hdinfra.plugins.serve import serve  # noqa: PLC0415

    return serve(LocalCloud())


if __name__ == "__main__":
    sys.exit(main())
