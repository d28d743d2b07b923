"""`pulumi-resource-hdmetal`: installs servers through their BMC and watches their hardware."""

import sys
from importlib.util import find_spec


def main() -> int:
    """Serves the plugin until the engine ends it."""
    if find_spec("sushy") is None:
        sys.exit('servers of one\'s own need the package `sushy`; fix: pip install "hdinfra[metal]"')
    from hdinfra.plugins.messages import leave_out_the_sdk  # noqa: PLC0415

    leave_out_the_sdk()
    from hdinfra.plugins.metal.package import Servers  # noqa: PLC0415  needs the extra
    from hdinfra.plugins.serve import serve  # noqa: PLC0415

    return serve(Servers())


if __name__ == "__main__":
    sys.exit(main())
