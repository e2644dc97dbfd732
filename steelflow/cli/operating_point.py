"""``steelflow models operating-point``: from which score on a view or picture is a defect."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steelflow.cli.output import Json, emit, settings, user
from steelflow.cli.registry import Who
from steelflow.cli.training import FormatOption, GoodOption, PicturesOption, ScaleOption
from steelflow.config import LimitSettings, Settings
from steelflow.engine import Engine, open_engine
from steelflow.errors import ConfigError, ModelError
from steelflow.registry import resolved
from steelflow.registry.operating_points import PointChange, changes_of, current, reset_points, set_point
from steelflow.store import Store, open_store
from steelflow.store.embedded import serving

if TYPE_CHECKING:
    from steelflow.training.operating_point import AtPoint


def operating_point(
    model: Annotated[
        str, typer.Argument(help="Shipped name, ONNX file, version of the registry, or `champion`.")
    ] = "champion",
    line: Annotated[
        str | None, typer.Option("--line", help="Only on this line; by default on all lines without their own.")
    ] = None,
    point: Annotated[
        float | None, typer.Option("--set", metavar="POINT", help="Set it: from 0 to below 1, such as 0.35.")
    ] = None,
    false_alarms: Annotated[
        str | None,
        typer.Option(
            "--false-alarms",
            metavar="SHARE",
            help="Set it so that this share of the good views of --data is above: 1%, or 2/100m with --mm-per-pixel.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Labelled pictures that the model was not trained on; formats as in `train`."),
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Return to the model's own point; without --line, on all lines.")
    ] = False,
    mm_per_pixel: ScaleOption = None,
    form: FormatOption = None,
    pictures: PicturesOption = None,
    good: GoodOption = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept with the change.")] = "by hand",
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Show or set from which score on a view is a defect, for all lines or one, without training again.

    The score is 1 − Σ p(good). With --data alone, show what the present point buys on these pictures.
    """
    _consistent(point, false_alarms, data, reset)
    with _opened(model) as place:
        shown = None if data is None else _Data(data, form, pictures, tuple(good or ()), false_alarms, mm_per_pixel)
        measured = None if shown is None else _measured(place, shown, line, settings().limits)
        wanted = point if measured is None or false_alarms is None else measured.operating_point
        changed: PointChange | None = None
        if reset:
            changed = reset_points(place.store, place.engine.digest, line, who=user(who), reason=reason)
        elif wanted is not None:
            why = reason if false_alarms is None or reason != "by hand" else f"false alarms {false_alarms}"
            changed = set_point(place.store, place.engine.digest, line, wanted, who=user(who), reason=why)
        changes = changes_of(place.store, place.engine.digest)
    _tell(place, changes, changed, measured, asked=reset or wanted is not None, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Place:
    """A model with good classes, and the store with its points."""

    engine: Engine
    store: Store


@dataclass(frozen=True, slots=True)
class _Data:
    """Labelled pictures, and the false alarms that are wanted on them."""

    path: Path
    form: str | None
    pictures: Path | None
    good: tuple[str, ...]
    false_alarms: str | None
    mm_per_pixel: float | None


@contextmanager
def _opened(ref: str) -> Iterator[_Place]:
    current_settings: Settings = settings().with_model(ref)
    with serving(current_settings, current_settings.registry_uri) as reached:
        engine = open_engine(resolved(reached).path, "onnxruntime")
        if not engine.spec.good:
            raise ModelError(
                f"{ref}: has no good class ({', '.join(engine.spec.classes)}), so each of its labels is a defect; "
                "train on data with good pictures to get an operating point"
            )
        yield _Place(engine, open_store(reached.registry_uri, reached.store, create=True))


def _consistent(point: float | None, false_alarms: str | None, data: Path | None, reset: bool) -> None:
    if sum((point is not None, false_alarms is not None, reset)) > 1:
        raise ConfigError("give one of --set, --false-alarms and --reset")
    if false_alarms is not None and data is None:
        raise ConfigError("--false-alarms needs --data: labelled pictures, with good ones among them")
    if point is not None and not (math.isfinite(point) and 0 <= point < 1):
        raise ConfigError(f"--set {point:g}: give a number from 0 to below 1")


def _measured(place: _Place, data: _Data, line: str | None, limits: LimitSettings) -> AtPoint:
    """What the present point, or the one for these false alarms, buys on all pictures of the data."""
    try:
        from steelflow.training.annotations import load_annotations
        from steelflow.training.operating_point import at_point, false_alarm_share, point_for, scored
    except ImportError as exc:
        raise ConfigError(f"--data needs {exc.name}; install it with `pip install 'steelflow[train]'`") from exc
    spec = place.engine.spec
    pictures = load_annotations(data.path, form=data.form, good=data.good, pictures=data.pictures, limits=limits)
    everything = range(len(pictures.items))
    share = None
    if data.false_alarms is not None:
        view = spec.view or spec.input_size
        share = false_alarm_share(data.false_alarms, pictures, everything, view, data.mm_per_pixel)
    judged = scored(pictures, everything, place.engine)
    if share is not None:
        return at_point(judged, spec, point_for(judged, share), share)
    points = current(changes_of(place.store, place.engine.digest))
    present = points.get(line, points.get(None, spec.operating_point))
    if present is None:
        raise ModelError(f"{spec.name}: has no operating point yet; set one with --set or --false-alarms")
    return at_point(judged, spec, present)


def _tell(
    place: _Place,
    changes: Sequence[PointChange],
    changed: PointChange | None,
    measured: AtPoint | None,
    *,
    asked: bool,
    as_json: bool,
) -> None:
    spec, points = place.engine.spec, current(changes)
    found: dict[str, Any] = {
        "model": spec.name,
        "digest": place.engine.digest,
        "good": list(spec.good),
        "own": spec.operating_point,
        "all_lines": points.get(None),
        "lines": {line: point for line, point in points.items() if line is not None},
        "changed": None if changed is None else changed.to_dict(),
        "changes": [one.to_dict() for one in changes],
        "measured": None if measured is None else measured.to_dict(),
    }
    lines = [] if not asked or changed is not None else ["nothing to change"]
    lines += _table(spec.name, spec.operating_point, points, changes)
    if measured is not None:
        lines += told_at(measured, None)
    emit(found, as_json, "\n".join(lines))


def _table(
    name: str, own: float | None, points: Mapping[str | None, float], changes: Sequence[PointChange]
) -> list[str]:
    lines = [f"{name}: a view is a defect if 1 − Σ p(good) is above"]
    lines.append(f"  {'–' if own is None else f'{own:.4f}'}  the model's own")
    newest = {one.line: one for one in changes if one.change == "set"}
    for line in sorted(points, key=lambda line: (line is not None, line or "")):
        one = newest[line]
        where = "all lines" if line is None else f"line {line}"
        lines.append(f"  {points[line]:.4f}  {where}, by {one.who} on {one.at:%Y-%m-%d %H:%M}: {one.reason}")
    return lines


def told_at(found: AtPoint, asked: float | None) -> list[str]:
    """What an operating point buys, in lines."""
    wish = "" if asked is None else f" ({asked:.3%} asked)"
    point = f"operating point {found.operating_point:.4f}"
    if found.crossed:
        point += ", fitted on these pictures; half of their groups judged at the point that the other half gives"
    lines = [
        f"{point}: {found.good_view_alarms:,} of {found.good_views:,} good views "
        f"are above it{wish}, in {found.good_alarms:,} of {found.good_pictures:,} good pictures",
    ]
    total = sum(of for _, of in found.found.values())
    if found.recall is not None:
        area = "" if found.auc is None else f"; AUC of good against defect {found.auc:.4f}"
        lines.append(f"defects found: {found.recall:.1%} of {total:,} pictures{area}")
        width = max(len(name) for name in found.found)
        lines += [
            f"  {name:<{width}}  {hit:>5,} of {of:>5,}  {hit / of:.1%}" for name, (hit, of) in found.found.items()
        ]
    return lines
