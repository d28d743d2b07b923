"""Walks a spec's models and data: where a field is or could be, and the same spec with another value there."""

import copy
import types
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from hdinfra.model.names import Spec
from tests.graph.flips import FLIPS, Data, name_of

_ALIKE = ("tenants", "sites")
"""Lists of which only the first entry is flipped: what the others say goes the same way."""


@dataclass(frozen=True)
class Flipped:
    """One input changed: `label` such as `clusters[aws].region = eu-west-3`."""

    field: str
    label: str
    data: Data


def fields_of(model: type[Spec]) -> Iterator[tuple[type[Spec], str]]:
    """(model, field) of everything that a spec of this model may say, each once."""
    seen: list[type[Spec]] = [model]
    for each in seen:
        for name, field in each.model_fields.items():
            inner = _inside(field.annotation)
            if inner and inner not in seen:
                seen.append(inner)
            yield each, name


def is_part(model: type[Spec], name: str) -> bool:
    """Whether the field only holds fields, so that each of them is flipped instead."""
    annotation = model.model_fields[name].annotation
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def flips_of(model: type[Spec], data: Data, skipped: Collection[str] = ()) -> Iterator[Flipped]:
    """Each legal other value of each input that is there or could be, but for those of the `skipped` models."""
    before = model.model_validate(data)
    for path, owner_model, owner in _owners(model, data, ()):
        if owner_model.__name__ in skipped:
            continue
        for name in owner_model.model_fields:
            if is_part(owner_model, name):
                continue
            for label, changes in FLIPS[f"{owner_model.__name__}.{name}"](copy.deepcopy(owner)).items():
                changed = _with(data, path, changes)
                if model.model_validate(changed) != before:
                    yield Flipped(f"{owner_model.__name__}.{name}", f"{_path(data, (*path, name))} = {label}", changed)


def _owners(
    model: type[Spec], owner: Data, path: tuple[Any, ...]
) -> Iterator[tuple[tuple[Any, ...], type[Spec], Data]]:
    yield path, model, owner
    for name, field in model.model_fields.items():
        inner = _inside(field.annotation)
        if inner is None:
            continue
        value = owner.get(name, {} if is_part(model, name) else None)
        entries = enumerate(value) if isinstance(value, list | tuple) else None
        if entries is not None:
            for index, entry in entries:
                if index and name in _ALIKE:
                    break
                yield from _owners(inner, entry, (*path, name, index))
        elif value is not None:
            yield from _owners(inner, value, (*path, name))


def _with(data: Data, path: tuple[Any, ...], changes: Data) -> Data:
    changed = copy.deepcopy(data)
    owner: Any = changed
    for part in path:
        owner = owner.setdefault(part, {}) if isinstance(owner, dict) else owner[part]
    for name, value in changes.items():
        owner.pop(name, None)
        if value is not None or name in ("edge", "snapshots"):
            owner[name] = value
    return changed


def _path(data: Data, path: tuple[Any, ...]) -> str:
    shown, found = "", data
    for part in path:
        inner: Any = found[part] if isinstance(part, int) or part in found else {}
        shown += f"[{name_of(inner)}]" if isinstance(part, int) else f".{part}"
        found = inner
    return shown.removeprefix(".")


def _inside(annotation: object) -> type[Spec] | None:
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, Annotated, tuple):
        return next((model for inner in get_args(annotation) if (model := _inside(inner))), None)
    return None
