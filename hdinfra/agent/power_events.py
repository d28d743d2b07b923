"""What NUT says of the batteries, kept where hdsync reads it: each is a problem until it is over."""

from pathlib import Path

from .durable import write_whole
from .problems import Problems

FOLDER = "run/nut/hdinfra"
_WORDS = {
    "battery": "on battery: the chain behind it is without power",
    "low": "battery low: when too few others are left, the site goes down in order",
    "silent": "has not answered for half a minute: see `systemctl status nut-server` on the host with its cable",
    "replace": "its battery is worn: replace it",
    "down": "the site goes down in order",
}
_OVER = {"mains": ("battery", "low"), "heard": ("silent",)}


def note(name: str, root: Path) -> None:
    """`battery.ups-red` and the like, as upssched says it. ValueError for what it never says."""
    kind, _, ups = name.partition(".")
    if not ups.replace("-", "").isalnum() or (kind not in _WORDS and kind not in _OVER):
        raise ValueError(f"`{name[:60]}` is no event of a battery")
    if kind in _WORDS:
        write_whole(root / FOLDER / f"{ups}.{kind}", b"", 0o644)
    for over in _OVER.get(kind, ()):
        (root / FOLDER / f"{ups}.{over}").unlink(missing_ok=True)


def show(root: Path, shown: Problems, before: frozenset[str]) -> frozenset[str]:
    """Have what is wrong with batteries among the machine's problems, and what is no more not; about which it is."""
    now = problems(root)
    for about, text in now.items():
        shown.say(about, text)
    for about in before - now.keys():
        shown.over(about)
    return frozenset(now)


def problems(root: Path) -> dict[str, str]:
    """By battery what is wrong with it. One that is low while it charges is as it should be; NUT says that it is low
    at the start of its programs as well, and never that it is no more."""
    folder = root / FOLDER
    found: dict[str, str] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        ups, _, kind = path.name.partition(".")
        if kind in _WORDS and (kind != "low" or (folder / f"{ups}.battery").exists()):
            about = f"UPS {ups}"
            found[about] = f"{found[about]}; {_WORDS[kind]}" if about in found else _WORDS[kind]
    return found
