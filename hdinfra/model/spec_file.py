"""A spec, of Zone, BYOL, hardware or failover, as YAML: read, checked by type, refused with every error at once."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hdinfra.model.byol import ByolSpec
from hdinfra.model.failover.spec import FailoverSpec
from hdinfra.model.hardware.spec import HardwareSpec
from hdinfra.model.refusal import Refusal, RefusedError
from hdinfra.model.spec import ZoneSpec
from hdinfra.model.typed import refusals_of, validated
from hdinfra.model.yaml_text import read_mapping, read_text

_NO_ZONE = Refusal(
    "byol",
    "byol.no-zone",
    "This spec describes a BYOL Instance; the verbs of a Zone would find none of what they look for.",
    "deploy it with `pulumi up`, or write bundles with `hdinfra byol bundle`",
)


def parse_spec(text: str, source: str = "the spec") -> ZoneSpec:
    """The Zone in that YAML text. Raises RefusedError with every `spec.*` refusal, or `byol.no-zone`; `source` names it
    in messages."""
    mapping = read_mapping(text, source)
    if "byol" in mapping and "zone" not in mapping:
        raise RefusedError([_NO_ZONE])
    return validated(ZoneSpec, mapping)


def load_spec(path: Path | str) -> ZoneSpec:
    """The spec in that file. Raises RefusedError, also when the file cannot be read."""
    return parse_spec(read_text(Path(path)), str(path))


def parse_byol(text: str, source: str = "the spec") -> ByolSpec:
    """The BYOL Instance in that YAML text. Raises RefusedError with every `spec.*` refusal."""
    return validated(ByolSpec, read_mapping(text, source))


def load_byol(path: Path | str) -> ByolSpec:
    """The BYOL Instance in that file. Raises RefusedError, also when the file cannot be read."""
    return parse_byol(read_text(Path(path)), str(path))


def is_byol(path: Path | str) -> bool:
    """Whether that file describes a BYOL Instance rather than a Zone. Raises RefusedError when it cannot be read."""
    return "byol" in read_mapping(read_text(Path(path)), str(path))


def parse_hardware(text: str, source: str = "the spec") -> HardwareSpec:
    """The hardware in that YAML text. Raises RefusedError with every `spec.*` refusal."""
    return validated(HardwareSpec, read_mapping(text, source))


def load_hardware(path: Path | str) -> HardwareSpec:
    """The hardware in that file. Raises RefusedError, also when the file cannot be read."""
    return parse_hardware(read_text(Path(path)), str(path))


def parse_failover(text: str, source: str = "the spec") -> FailoverSpec:
    """The failover in that YAML text. Raises RefusedError with every `spec.*` refusal."""
    return validated(FailoverSpec, read_mapping(text, source))


def load_failover(path: Path | str) -> FailoverSpec:
    """The failover in that file. Raises RefusedError, also when the file cannot be read."""
    return parse_failover(read_text(Path(path)), str(path))


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON schema of a spec, for editors, or of a document, for whoever reads it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}


__all__ = [
    "is_byol",
    "json_schema",
    "load_byol",
    "load_failover",
    "load_hardware",
    "load_spec",
    "parse_byol",
    "parse_failover",
    "parse_hardware",
    "parse_spec",
    "refusals_of",
]
