"""`pulumi-resource-hdlicence`: takes seats under a licence and gives them back."""

import sys


def main() -> int:
    """Serves the plugin until the engine ends it."""
    from hdinfra.plugins.messages import leave_out_the_sdk  # noqa: PLC0415

    leave_out_the_sdk()
    from hdinfra.plugins.licence.package import Licences  # noqa: PLC0415
    from hdinfra.plugins.serve import serve  # noqa: PLC0415

    return serve(Licences())


if __name__ == "__main__":
    sys.exit(main())
