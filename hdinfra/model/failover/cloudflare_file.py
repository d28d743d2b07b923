"""The spec of an edge at Cloudflare, or of a pair, as a YAML file."""

from pathlib import Path

from hdinfra.model.failover.cloudflare_spec import CloudflareSpec, PairSpec
from hdinfra.model.typed import validated
from hdinfra.model.yaml_text import read_mapping, read_text


def is_edge(path: Path | str) -> bool:
    """Whether that file describes an edge by itself rather than a Zone. RefusedError when it cannot be read."""
    mapping = read_mapping(read_text(Path(path)), str(path))
    return "failover" in mapping and "zone" not in mapping


def parse_edge(text: str, source: str = "the spec") -> CloudflareSpec | PairSpec:
    """A pair where the text has `primary`, else an edge with as many pools as it likes; `source` names it in messages.

    RefusedError with every `spec.*` refusal.
    """
    mapping = read_mapping(text, source)
    if "primary" in mapping:
        return validated(PairSpec, mapping)
    return validated(CloudflareSpec, mapping)


def load_edge(path: Path | str) -> CloudflareSpec | PairSpec:
    """The spec in that file. RefusedError, also when the file cannot be read."""
    return parse_edge(read_text(Path(path)), str(path))
