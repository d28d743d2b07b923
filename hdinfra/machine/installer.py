"""A Machine as a folder that a fresh Debian 13 is installed from: by cloud-init, or by a plain script."""

import hashlib
from collections.abc import Mapping, Sequence

from hdinfra.machine.bundle import archive_of
from hdinfra.machine.cloud_init import all_files, cloud_config, identity_file
from hdinfra.machine.machine import File, Machine
from hdinfra.machine.sources import asset
from hdinfra.machine.unmanaged import FIRST_POLICY_PATH

SUMS = "SHA256SUMS"
SEED = ("seed/user-data", "seed/meta-data")


def bundle_files(machine: Machine, told: Sequence[File]) -> dict[str, bytes]:
    """Every file of the folder but the checksums, by its path there. Same Machine, same bytes.

    `told` is what the Machine brings along; its policy lies apart, where people can read it.
    """
    policy = next(file for file in told if file.path == FIRST_POLICY_PATH)
    files = (identity_file(machine.identity), *all_files(machine), *told)
    laid = {f.path.lstrip("/"): (f.content.encode(), f.mode) for f in files if f is not policy}
    return {
        "install.sh": asset("install.sh").encode(),
        "files.tar": archive_of(laid),
        "policy.json": policy.content.encode(),
        "seed/user-data": cloud_config(machine, told).encode(),
        "seed/meta-data": meta_data(machine.identity.name).encode(),
    }


def meta_data(name: str) -> str:
    """What cloud-init is told of the machine itself; another `instance-id` would be another first boot."""
    return f"instance-id: {name}\nlocal-hostname: {name}\n"


def checksums(files: Mapping[str, bytes]) -> str:
    """As `sha256sum` writes and reads them."""
    return "".join(f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n" for path in sorted(files))
