"""`hdinfra metal`: servers of one's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hdinfra.operate.cli_frame import AsJson, give

if TYPE_CHECKING:
    from rich.console import Console

    from hdinfra.protocol.installer_image import Manifest

metal = typer.Typer(no_args_is_help=True, help="Servers of your own: the image that installs them.")


@metal.callback()
def _group() -> None:
    """Typer takes a group of one command for that command."""


@metal.command(
    "image",
    epilog="Examples: [bold]sudo hdinfra metal image images/ --role waf[/bold], "
    "[bold]sudo hdinfra metal image images/ --console ttyS1,115200[/bold]",
)
def image(
    folder: Annotated[Path, typer.Argument(help="Where to write installer.iso and manifest.json; made when missing.")],
    kernel: Annotated[
        str, typer.Option(help="generic, for real servers; cloud, for virtual machines alone.")
    ] = "generic",
    role: Annotated[
        list[str] | None, typer.Option(help="Bring this role's packages along, so that first boots need no mirror.")
    ] = None,
    console: Annotated[
        list[str] | None, typer.Option(help="The installer's consoles, the main one last; tty0 and ttyS0,115200.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Build the image that installs servers: it boots by UEFI from virtual media, a USB stick or a CD, and does nothing
    until an order is written into it. Needs root, and Debian's mmdebstrap, squashfs-tools, xorriso and mtools."""
    from hdinfra.operate.metal_image import CONSOLES, build_image, image_choice  # noqa: PLC0415  --help stays fast

    consoles = tuple(f"console={name}" for name in console) if console else CONSOLES
    manifest = build_image(image_choice(kernel, tuple(role or ()), consoles), folder)
    give(as_json, manifest.as_json(), lambda screen: _show(manifest, folder, screen))


def _show(manifest: "Manifest", folder: Path, screen: "Console") -> None:
    screen.print(f"{folder / manifest.iso}   SHA-256 {manifest.sha256}", soft_wrap=True)
    screen.print(f"Debian {manifest.suite}, {manifest.kernel}, {len(manifest.packages)} packages", soft_wrap=True)
