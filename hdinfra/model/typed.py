"""From pydantic's errors to Refusals: path, value found, and an order that mends it."""

import re
import types
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hdinfra.model import byol as byol_module
from hdinfra.model import held as held_module
from hdinfra.model import policy as policy_module
from hdinfra.model import spec as spec_module
from hdinfra.model.failover import spec as failover_module
from hdinfra.model.hardware import spec as hardware_module
from hdinfra.model.refusal import Refusal, RefusedError

_USER_OF_URL = re.compile(r"://[^/\s]*@")

LONGEST_SHOWN = 80
"""Characters of a found value that a message shows."""

_MODELS = {
    name: model
    for module in (spec_module, byol_module, hardware_module, failover_module, held_module, policy_module)
    for name, model in vars(module).items()
    if isinstance(model, type) and issubclass(model, BaseModel)
}

_ORDERS = {
    "enum": "one of {expected}",
    "literal_error": "one of {expected}",
    "greater_than_equal": "{ge} at least",
    "less_than_equal": "{le} at most",
    "int_type": "a whole number, without quotes",
    "string_type": "a text; put it in quotes if YAML reads it as something else",
    "string_pattern_mismatch": "a text that matches {pattern}",
    "string_too_long": "{max_length} characters at most",
    "too_short": "{min_length} at least",
    "too_long": "{max_length} at most",
    "ip_v4_network": "such as 10.64.0.0/12, with the bits behind the prefix zero",
    "ip_v6_network": "such as fd12:3456:789a::/48, with the bits behind the prefix zero",
    "model_type": "with its keys indented below",
    "tuple_type": "with one `- ` for each entry",
}
"""What to write, by pydantic's name of the error and its context."""

_Model = TypeVar("_Model", bound=BaseModel)
_Loc = Sequence[int | str]


def validated(model: type[_Model], data: Mapping[Any, Any]) -> _Model:
    """The model of that data; RefusedError with every error of it."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise RefusedError(refusals_of(error)) from error


def refusals_of(error: ValidationError) -> tuple[Refusal, ...]:
    """What pydantic found, also of a spec that was made in Python: `spec.type`, `spec.missing`, `spec.unknown-key`."""
    model = _MODELS.get(error.title)
    found = error.errors(include_url=False, include_context=True)
    return tuple(sorted({_refusal(details, model) for details in found if not _follows(details)}))


def _follows(details: ErrorDetails) -> bool:
    # pydantic counts only the entries that are well: a list with one wrong entry is then too short as well.
    return details["type"] == "too_short" and len(details["input"]) >= details["ctx"]["min_length"]


def shown(value: object) -> str:
    """A found value for a message: on one line, escaped, 80 characters at most, and without an address's password."""
    text = ascii(value) if isinstance(value, str) else ascii(str(value))[1:-1]
    text = _USER_OF_URL.sub("://***@", text)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def path_of(loc: _Loc) -> str:
    """`clusters[1].region` of ("clusters", 1, "region")."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{_plain(part)}" for part in loc)
    return path.removeprefix(".") or "the spec"


def _plain(part: str) -> str:
    # Unknown keys are part of paths, and paths are printed.
    return part if part.isascii() and part.isprintable() and len(part) <= LONGEST_SHOWN else shown(part)


def _refusal(details: ErrorDetails, model: type[BaseModel] | None) -> Refusal:
    loc = [part for part in details["loc"] if part != "[key]"]
    path, last = path_of(loc), path_of(loc[-1:])
    match details["type"]:
        case "extra_forbidden" | "invalid_key":
            return _unknown_key(path, last, _keys(model, loc[:-1]))
        case "missing":
            message = f"`{last}` is not given, and has no default."
            return Refusal(path, "spec.missing", message, f"add `{last}: ...`{_choices(model, loc)}")
        case _:
            message = f"Found {_found(details['input'])}: {_reason(details)}."
            return Refusal(path, "spec.type", message, f"write `{last}: ...`, {_order(details)}")


def _unknown_key(path: str, key: str, known: Sequence[str]) -> Refusal:
    nearest = get_close_matches(key, known, n=1, cutoff=0.5)
    fix = f"write `{nearest[0]}`" if nearest else f"drop `{key}`"
    message = f"`{key}` is no key here; it would be without effect."
    return Refusal(path, "spec.unknown-key", message, f"{fix}; known are {', '.join(known)}" if known else fix)


def _found(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list() | tuple():
            return f"a list of {len(value)}"
        case bool():
            return f"`{str(value).lower()}` (YAML reads yes, no, on and off so; quote them)"
        case _:
            return f"`{shown(value)}`"


def _reason(details: ErrorDetails) -> str:
    message = details["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{message[0].lower()}{message[1:]}" if message[:1].isupper() and message[1:2].islower() else message


def _order(details: ErrorDetails) -> str:
    return _ORDERS.get(details["type"], "in the form that the message gives").format_map(details.get("ctx", {}))


def _choices(model: type[BaseModel] | None, loc: _Loc) -> str:
    owner = _model_at(model, loc[:-1])
    field = owner.model_fields.get(str(loc[-1])) if owner else None
    choices = getattr(field.annotation, "__members__", None) if field else None
    return f", one of {', '.join(str(choice.value) for choice in choices.values())}" if choices else ""


def _keys(model: type[BaseModel] | None, loc: _Loc) -> list[str]:
    found = _model_at(model, loc)
    return sorted(found.model_fields) if found else []


def _model_at(model: type[BaseModel] | None, loc: _Loc) -> type[BaseModel] | None:
    for part in loc:
        if isinstance(part, str) and model is not None:
            field = model.model_fields.get(part)
            model = _model_in(field.annotation) if field else None
    return model


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, Annotated, tuple, dict):
        return next((model for inner in get_args(annotation) if (model := _model_in(inner))), None)
    return None
