"""A Machine as cloud-config. Everything but the identity file is the same for all Machines of a role."""

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import assert_never

import yaml

from hdinfra.machine.firewall import ruleset
from hdinfra.machine.machine import File, Identity, Machine, Unit, User
from hdinfra.machine.sources import asset
from hdinfra.model.regions import Encoding

IDENTITY_PATH = "/etc/hdinfra/identity.json"


_MODULES = {
    "cloud_init_modules": ["seed_random", "bootcmd", "write_files", "growpart", "resizefs", "set_hostname"],
    "cloud_config_modules": ["runcmd"],
    "cloud_final_modules": ["scripts_user", "final_message"],
}


class _Literal(str):
    """Text that is written as a YAML block, so that people can read and compare it."""


class _Dumper(yaml.SafeDumper):
    """Knows blocks and octal file modes, and writes no anchors."""

    def ignore_aliases(self, _data: object) -> bool:
        """Every value is written out where it stands."""
        return True


def _represent(dumper: yaml.SafeDumper, text: _Literal) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")


_Dumper.add_representer(_Literal, _represent)


def cloud_config(machine: Machine, first_boot: Sequence[File] = ()) -> str:
    """The cloud-config text; encoding it (plain, gzip, base64) is the provider adapter's.

    `first_boot`: files that are told to this one machine at its first boot, and to nobody later.
    """
    # Nobody logs in: no default user, and of cloud-init's modules only those with work here (no host keys).
    head = _head(tuple(unit.name for unit in machine.units if unit.drop_in is not None))
    entries = map(_entry, (identity_file(machine.identity), *first_boot, *all_files(machine)))
    return "".join(("#cloud-config\n", head, "write_files:\n", *entries, _tail()))


def laid_config(machine: Machine, first_boot: Sequence[File] = ()) -> str:
    """The cloud-config where every file lies on the disk already, as root's: only those of others are written again.

    cloud-init reads all of its user data at every boot, and of a hundred files that takes it longer than all else.
    """
    files = (identity_file(machine.identity), *first_boot, *all_files(machine))
    others = [_entry(file) for file in files if (file.owner, file.group) != ("root", "root")]
    head = _head(tuple(unit.name for unit in machine.units if unit.drop_in is not None))
    return "".join(("#cloud-config\n", head, *(("write_files:\n", *others) if others else ()), _tail()))


def description_digest(machine: Machine) -> str:
    """SHA-256 of all that only a new Machine can have; what is told at a first boot is not among it."""
    return hashlib.sha256(cloud_config(machine).encode()).hexdigest()


def user_data_bytes(machine: Machine, first_boot: Sequence[File] = (), encoding: Encoding = "gzip") -> int:
    """Size as a provider of that encoding counts it."""
    text = cloud_config(machine, first_boot)
    match encoding:
        case "plain":
            return len(text.encode())
        case "gzip":
            return len(compressed(text))
        case "gzip-base64":
            return len(base64.b64encode(compressed(text)))
        case _:
            assert_never(encoding)


def compressed(text: str) -> bytes:
    """The same bytes for the same text, whenever and wherever."""
    return gzip.compress(text.encode(), mtime=0)


def all_files(machine: Machine) -> tuple[File, ...]:
    """Every file but the identity, in the order of their paths."""
    files = (
        *machine.files,
        *(_unit_file(unit) for unit in machine.units if unit.content is not None or unit.drop_in is not None),
        File("/etc/hdinfra/firewall.nft", ruleset(machine.firewall)),
        File("/etc/hdinfra/packages", _lines(sorted(machine.packages))),
        File("/etc/hdinfra/units", _lines(unit.name for unit in machine.units if unit.enabled)),
        File(
            "/etc/sysctl.d/60-hdinfra.conf",
            _lines(f"{key} = {machine.sysctls[key]}" for key in sorted(machine.sysctls)),
        ),
        File("/etc/sysusers.d/hdinfra.conf", _lines(_users(machine.users))),
        File("/usr/lib/hdinfra/boot.sh", asset("boot.sh"), 0o755),
    )
    return tuple(sorted(files, key=lambda file: file.path))


def identity_file(identity: Identity) -> File:
    """The one file in which Machines of a role differ."""
    # A machine of many tenants says nothing of them: what it is must not change because dedicated ones came to be.
    told = {name: value for name, value in asdict(identity).items() if value is not None}
    return File(IDENTITY_PATH, json.dumps(told, sort_keys=True) + "\n")


def _users(users: Iterable[User]) -> Iterable[str]:
    yield "g hdinfra-operators -"
    yield from (f'u {user.name} - "" {user.home}' for user in users)


@lru_cache  # as for entries below
def _head(packaged: tuple[str, ...]) -> str:
    """Packages' units that an image already enables must not start before their base files are there."""
    stop = ["cloud-init-per", "once", "hdinfra-quiet", "systemctl", "--no-block", "stop", *packaged]
    return _yaml({"users": [], **_MODULES, **({"bootcmd": [stop]} if packaged else {})})


@lru_cache
def _tail() -> str:
    return _yaml({"runcmd": [["/usr/lib/hdinfra/boot.sh"]]})


def _unit_file(unit: Unit) -> File:
    if unit.content is not None:
        return File(f"/etc/systemd/system/{unit.name}", unit.content)
    return File(f"/etc/systemd/system/{unit.name}.d/50-hdinfra.conf", unit.drop_in or "")


@lru_cache(maxsize=256)  # the Machines of a role share all files but one, and writing YAML is slow
def _entry(file: File) -> str:
    entry = {
        "path": file.path,
        "permissions": f"{file.mode:04o}",
        "owner": f"{file.owner}:{file.group}",
        "content": _Literal(file.content),
    }
    return _yaml([entry])


def _yaml(part: object) -> str:
    text: str = yaml.dump(part, Dumper=_Dumper, sort_keys=False, width=4096)
    return text.removesuffix("...\n")  # what YAML puts behind text that ends with blank lines; here more follows


def _lines(lines: Iterable[str]) -> str:
    return "".join(line + "\n" for line in lines)
