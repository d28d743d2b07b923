"""The volume that outlives a Machine: told to it at its first boot, since its cloud names it only when it is made."""

from hdinfra.machine.machine import File

VOLUME_PATH = "/etc/hdinfra/volume"


def volume_file(device: str) -> File:
    """The device's stable path, which `hdinfra-volume.service` waits for and mounts."""
    return File(VOLUME_PATH, f"{device}\n")
