"""A Zone's spec as a YAML file: read, checked by type, and refused as a whole with every error at once."""

from pathlib import Path
from typing import Any

from hdinfra.model.spec import ZoneSpec
from hdinfra.model.typed import refusals_of, validated
from hdinfra.model.yaml_text import read_mapping, read_text


def parse_spec(text: str, source: str = "the spec") -> ZoneSpec:
    """The spec in that YAML text. Raises RefusedError with every `spec.*` refusal; `source` names it in messages."""
    return validated(ZoneSpec, read_mapping(text, source))


def load_spec(path: Path | str) -> ZoneSpec:
    """The spec in that file. Raises RefusedError, also when the file cannot be read."""
    return parse_spec(read_text(Path(path)), str(path))


def json_schema() -> dict[str, Any]:
    """JSON schema of a spec, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ZoneSpec.model_json_schema()}


__all__ = ["json_schema", "load_spec", "parse_spec", "refusals_of"]
