"""Print docs/api.md, made from the docstrings of the Python API: ``python docs/api.py > docs/api.md``."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from types import FunctionType

import steelflow
from steelflow.drift.reading import Reading
from steelflow.drift.verdict import NightVerdict
from steelflow.inspection.infer import InspectionResult
from steelflow.labels import LabelStore
from steelflow.night.comparison import Comparison
from steelflow.registry import Registry, Version
from steelflow.training.annotated import AnnotatedResult
from steelflow.training.evaluate import ModelEvaluation
from steelflow.training.metrics import ClassFigures, Evaluation
from steelflow.training.operating_point import AtPoint
from steelflow.training.train import TrainingResult

FUNCTIONS = (
    steelflow.inspect,
    steelflow.open_report,
    steelflow.classify,
    steelflow.train,
    steelflow.evaluate,
    steelflow.compare_drift,
    steelflow.open_labels,
    steelflow.open_registry,
    steelflow.load_settings,
)
RESULTS = (
    InspectionResult,
    TrainingResult,
    AnnotatedResult,
    AtPoint,
    ModelEvaluation,
    Evaluation,
    ClassFigures,
    Comparison,
    NightVerdict,
    Reading,
    Version,
)
STORES = (LabelStore, Registry)
SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Example):$", re.MULTILINE)
ITEM = re.compile(r"^(\w[\w, ]*): ", re.MULTILINE)
HEAD = """\
# Python API

Made from the docstrings by `make docs`; change those, not this file.

    import steelflow

Importing it takes a few milliseconds: each function loads what it needs when it is first used. Without a
`steelflow.toml` all settings have their defaults. `Place` is a local path (`str` or `os.PathLike`) or a URI such as
`s3://bucket/prefix`. `Progress` is a function that is called with the number of images done since its last call. Three
scripts show the functions at work: [examples/](examples).
"""
SETTINGS = """\
### Settings

`steelflow.Settings` is the class of all settings. [infra/steelflow.toml](../infra/steelflow.toml) lists them.
`steelflow.Settings(report={"uri": "reports"})` sets some in code.
"""


def page() -> str:
    functions = [f"[`{one.__name__}`](#{one.__name__})" for one in FUNCTIONS]
    parts = [HEAD, " · ".join(functions) + " · [results](#results) · [errors](#errors)\n"]
    parts += [f"## {one.__name__}\n\n{signature(one, f'steelflow.{one.__name__}')}\n{prose(one)}" for one in FUNCTIONS]
    parts.append("## Results\n\nWhat the functions return. All results are immutable.\n")
    parts += [f"### {one.__name__}\n\n{prose(one)}\n{fields(one)}" for one in RESULTS]
    parts += [f"### {one.__name__}\n\n{prose(one)}\n{methods(one)}" for one in STORES]
    settings = (
        "`steelflow.Settings` is the class of all settings; [infra/steelflow.toml](../infra/steelflow.toml) lists them."
    )
    parts.append(f"### Settings\n\n{settings}\n")
    parts.append(f"## Errors\n\n{errors()}")
    return "\n".join(parts)


def signature(function: Callable[..., object], name: str) -> str:
    found = inspect.signature(function)
    lines = []
    keywords = False
    for one in found.parameters.values():
        if one.kind is one.KEYWORD_ONLY and not keywords:
            keywords = True
            lines.append("*")
        lines.append(str(one).replace("'", ""))  # annotations are texts
    body = "".join(f"    {line},\n" for line in lines)
    return f"```python\n{name}(\n{body}) -> {found.return_annotation}\n```\n"


def prose(documented: object) -> str:
    """A docstring as Markdown."""
    text, *sections = SECTION.split(inspect.getdoc(documented) or "")
    parts = [code(text.strip()) + "\n"]
    for name, body in zip(sections[::2], sections[1::2], strict=True):
        body = inspect.cleandoc(body)
        if name == "Example":
            parts.append(f"```python\n{body}\n```\n")
        elif name == "Returns":
            parts.append(f"**Returns** {joined(body)}\n")
        else:
            parts.append(f"**{name}**\n\n{''.join(items(body))}")
    return "\n".join(parts)


def items(body: str) -> Iterator[str]:
    _, *found = ITEM.split(body)
    for names, text in zip(found[::2], found[1::2], strict=True):
        marked = ", ".join(f"`{name}`" for name in names.split(", "))
        yield f"- {marked}: {joined(text)}\n"


def fields(result: type) -> str:
    """The fields and properties that the docstring does not explain, with their types."""
    explained = {
        name
        for one in re.findall(r"^    (\w[\w, ]*): ", inspect.getdoc(result) or "", re.MULTILINE)
        for name in one.split(", ")
    }
    own = [f"- `{one.name}`: `{one.type}`\n" for one in dataclasses.fields(result) if one.name not in explained]
    computed = [(name, one) for name, one in vars(result).items() if isinstance(one, property)]
    own += [f"- `{name}`: `{inspect.signature(one.fget).return_annotation}`\n" for name, one in computed if one.fget]
    return "".join(own)


def methods(store: type) -> str:
    public = [(name, one) for name, one in vars(store).items() if isinstance(one, FunctionType) and name[0] != "_"]
    return "".join(f"- `{name}({arguments(one)})`: {first_sentence(one)}\n" for name, one in public)


def arguments(method: FunctionType) -> str:
    return ", ".join(list(inspect.signature(method).parameters)[1:])


def first_sentence(documented: object) -> str:
    return re.split(r"(?<=\.)\s", joined(inspect.getdoc(documented) or ""), maxsplit=1)[0]


def errors() -> str:
    before, tree, after = (steelflow.errors.__doc__ or "").split("\n\n", 2)
    return f"{joined(before)} They are in `steelflow.errors`.\n\n```\n{tree.strip()}\n```\n\n{code(after.strip())}\n"


def joined(text: str) -> str:
    return code(" ".join(text.split()))


def code(text: str) -> str:
    return text.replace("``", "`")


if __name__ == "__main__":
    sys.stdout.write(page())
