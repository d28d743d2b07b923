"""The languages of partman-auto's recipes, by their documents (debian-installer: doc/devel/partman-auto-recipe.txt and
partman-auto-raid-recipe.txt). What they do not allow is a SyntaxError."""

import re
from dataclasses import dataclass

_NAME = re.compile(r"\$?[a-z_]+")
_METHODS = {"biosgrub", "efi", "format", "keep", "lvm", "raid", "swap"}
_SIZED = {"free", "raid", "ext4", "linux-swap", "fat32"}


@dataclass(frozen=True)
class Partition:
    """Sizes in MB of 10^6 bytes; `most` None: as large as it gets."""

    least: int
    priority: int
    most: int | None
    file_system: str
    specifiers: dict[str, str]


@dataclass(frozen=True)
class Array:
    """One line of partman-auto-raid."""

    level: int
    devices: int
    spares: int
    file_system: str
    mount_point: str
    members: str


def partitions(recipe: str) -> list[Partition]:
    """<name> :: then partitions, each ended by a dot that stands alone."""
    name, mark, rest = " ".join(recipe.split()).partition(" :: ")
    if not mark or not name:
        raise SyntaxError("a recipe begins with a name and `::`")
    if re.search(r"\s\{", rest):
        raise SyntaxError("no space stands before an opening bracket")
    *parts, tail = f"{rest} ".split(" . ")
    if tail.strip() or not parts:
        raise SyntaxError("every partition ends with a dot that stands alone")
    return [_partition(part.strip()) for part in parts]


def _partition(text: str) -> Partition:
    head, specifiers = text.split(maxsplit=4)[:4], (text.split(maxsplit=4)[4:] or [""])[0]
    least, priority, most, file_system = int(head[0]), int(head[1]), int(head[2]), head[3]
    if file_system not in _SIZED:
        raise SyntaxError(f"no file system that partman-auto makes: {file_system}")
    if most != -1 and not least <= most:
        raise SyntaxError(f"at least {least} and at most {most}")
    found = dict(re.findall(r"(\S+?)\{ ?(.*?) ?\}", specifiers))
    left = re.sub(r"(\S+?)\{ ?(.*?) ?\}", "", specifiers)
    if left.strip() or not all(_NAME.fullmatch(name) for name in found):
        raise SyntaxError(f"not a specifier: {specifiers}")
    if found.get("method", "format") not in _METHODS:
        raise SyntaxError(f"not a method: {found['method']}")
    return Partition(least, priority, None if most == -1 else most, file_system, found)


def arrays(recipe: str) -> list[Array]:
    """<level> <devices> <spares> <file system> <mount point> <members> [<spares>] and a dot."""
    *lines, tail = f"{' '.join(recipe.split())} ".split(" . ")
    if tail.strip() or not lines:
        raise SyntaxError("every array ends with a dot that stands alone")
    return [_array(line.split()) for line in lines]


def _array(words: list[str]) -> Array:
    level, devices, spares = (int(word) for word in words[:3])
    file_system, mount_point, members, *spare_members = words[3:]
    if level not in (0, 1, 5, 6, 10) or bool(spares) != bool(spare_members):
        raise SyntaxError(f"not an array: {words}")
    if mount_point != "-" and not mount_point.startswith("/"):
        raise SyntaxError(f"not a mount point: {mount_point}")
    if not members.startswith("raidid=") and len(members.split("#")) != devices:
        raise SyntaxError(f"{devices} devices are due: {members}")
    return Array(level, devices, spares, file_system, mount_point, members)
