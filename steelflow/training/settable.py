"""Change single values of an augmentation by name: ``--augment blur=0.5``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from steelflow.errors import ConfigError

T = TypeVar("T")

_WORDS = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}


def with_values(augmentation: T, values: Mapping[str, object]) -> T:
    """A copy of a dataclass with other values. Fields of the dataclasses in it are found by their own name.

    Raises:
        ConfigError: there is no such value, or it does not fit.
    """
    known = dict(_values(augmentation))
    for name in values:
        if name not in known:
            listed = ", ".join(f"{name}={_shown(value)}" for name, value in known.items())
            raise ConfigError(f"there is no augmentation {name!r}; there are, with their present values: {listed}")
    return _changed(augmentation, values)


def _changed(whole: T, values: Mapping[str, object]) -> T:
    hints, changes = get_type_hints(type(whole)), dict[str, Any]()
    for field in fields(whole):  # type: ignore[arg-type]  # a dataclass, which a type variable cannot say
        before = getattr(whole, field.name)
        if is_dataclass(before):
            changes[field.name] = _changed(before, values)
        elif field.name in values:
            changes[field.name] = _fitting(field.name, values[field.name], before, hints[field.name])
    return replace(whole, **changes)  # type: ignore[type-var]  # as above


def _values(whole: object) -> Iterator[tuple[str, object]]:
    for field in fields(whole):  # type: ignore[arg-type]  # a dataclass, which ``object`` cannot say
        value = getattr(whole, field.name)
        if is_dataclass(value):
            yield from _values(value)
        elif isinstance(value, bool | int | float | str):
            yield field.name, value


def _fitting(name: str, value: object, before: object, kind: object) -> object:
    text = str(value).strip().lower()
    if isinstance(before, bool):
        if text not in _WORDS:
            raise ConfigError(f"augmentation {name}={value}: give on or off")
        return _WORDS[text]
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ConfigError(f"augmentation {name}={value}: give one of {', '.join(get_args(kind))}")
        return text
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1000:
        raise ConfigError(
            f"augmentation {name}={value}: give a number from 0, as the present value is {_shown(before)}"
        )
    return int(number) if isinstance(before, int) else number


def _shown(value: object) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
