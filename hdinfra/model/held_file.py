"""Held decisions as the lock file beside the spec: reviewed like any lock file, and written by us only."""

from pathlib import Path

import yaml

from hdinfra.model.held import Held
from hdinfra.model.typed import validated
from hdinfra.model.yaml_text import read_mapping, read_text

_HEADER = """\
# What hdinfra decided and holds: Clusters, sizes, numbers in networks, and withdrawn Clusters.
# Written by `hdinfra up`; review it and commit it beside the spec. `hdinfra plan --rechoose` decides anew.
"""


def parse_held(text: str, source: str = "the lock file") -> Held:
    """What that text holds. Raises RefusedError with every `spec.*` refusal."""
    return validated(Held, read_mapping(text, source))


def load_held(path: Path) -> Held | None:
    """What that file holds; None where there is no such file yet."""
    return parse_held(read_text(path), str(path)) if path.exists() else None


def dump_held(held: Held) -> str:
    """The lock file's text: sorted, so that its differences are those of the decisions."""
    return _HEADER + yaml.safe_dump(held.model_dump(mode="json"), sort_keys=True, default_flow_style=False)


def newest(file: Held | None, deployed: Held | None) -> Held:
    """The one with the higher serial, so that an old file never undoes what was deployed; at a tie the file, where
    people write, unless a Cluster was withdrawn meanwhile: only `hdinfra restore` lets one back in. Nothing held where
    there is neither."""
    if file and deployed and file.serial == deployed.serial and {*deployed.withdrawn} - {*file.withdrawn}:
        return deployed
    known = [held for held in (file, deployed) if held is not None]
    return max(known, key=lambda held: held.serial, default=Held())
