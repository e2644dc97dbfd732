"""Draw accuracy and robustness against speed, for reports and docs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter
from matplotlib.transforms import Bbox

from steelflow.selection.pareto import Point, front

_INK, _GREY, _GRID, _FRONT = "#222222", "#666666", "#dddddd", "#1f5fa8"
_PANELS = {"accuracy": "Accuracy", "robustness_mean": "Accuracy under disturbance, mean"}
_MARGIN = 0.1  # free space around the points, as a share of their range
_RADIUS = 5  # of a point, in pixels
# Places to try for a name, in pixels from its point: beside, above and below it, then farther
# away. The last place is used if no other place is free.
_PLACES: tuple[tuple[int, int, Literal["left", "center", "right"]], ...] = (
    (9, 0, "left"),
    (-9, 0, "right"),
    (0, 14, "center"),
    (0, -14, "center"),
    (9, -14, "left"),
    (-9, -14, "right"),
    (9, 14, "left"),
    (9, -28, "left"),
)


def draw_results(results: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the results of ``compare`` with a speed: one panel for accuracy, one for accuracy under disturbance."""
    draw_pareto(
        {
            title: [Point(r["model"], r["speed"]["end_to_end"], r[key]) for r in results]
            for key, title in _PANELS.items()
        },
        path,
    )


def draw_pareto(panels: Mapping[str, Sequence[Point]], path: Path) -> None:
    """Write a PNG with one panel for each title. The speed has a logarithmic axis; the Pareto front is a line."""
    figure = Figure(figsize=(9, 4.2 * len(panels)), dpi=100, layout="constrained")
    axes = [figure.add_subplot(len(panels), 1, row) for row in range(1, len(panels) + 1)]
    for axis, (title, points) in zip(axes, panels.items(), strict=True):
        _draw(axis, title, points)
    figure.draw_without_rendering()  # names are placed in pixels, so the layout must be final
    for axis, points in zip(axes, panels.values(), strict=True):
        _name(axis, points)
    figure.savefig(path, format="png", metadata={"Software": None})


def _draw(axis: Axes, title: str, points: Sequence[Point]) -> None:
    best = front(points)
    axis.set_title(title, loc="left", color=_INK, fontsize=12)
    axis.set_xlabel("images/s, end to end", color=_GREY)
    axis.set_xscale("log")
    _frame(axis, points)
    others = [point for point in points if point not in best]
    axis.plot([p.speed for p in others], [p.value for p in others], "o", color=_GREY)
    axis.plot([p.speed for p in best], [p.value for p in best], "o-", color=_FRONT)


def _frame(axis: Axes, points: Sequence[Point]) -> None:
    """Set the limits around the points, ticks at round figures, and a light grid."""
    speeds, values = [p.speed for p in points], [p.value for p in points]
    factor = max((max(speeds) / min(speeds)) ** _MARGIN, 1.5)
    axis.set_xlim(min(speeds) / factor, max(speeds) * factor)
    room = max(_MARGIN * (max(values) - min(values)), 0.005)
    axis.set_ylim(min(values) - room, max(values) + room)
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if max(speeds) > 10 * min(speeds) else range(1, 10)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda speed, _: f"{speed:,g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
    axis.grid(color=_GRID, linewidth=0.8)
    axis.tick_params(which="both", colors=_GREY, length=0)
    for side in axis.spines.values():
        side.set_visible(False)


def _name(axis: Axes, points: Sequence[Point]) -> None:
    """Write the name of each point at the first place that covers no point and no other name."""
    best = front(points)
    spots = [axis.transData.transform((p.speed, p.value)) for p in points]
    taken = [Bbox.from_bounds(x - _RADIUS, y - _RADIUS, 2 * _RADIUS, 2 * _RADIUS) for x, y in spots]
    for point in points:
        name = axis.annotate(
            point.name,
            (point.speed, point.value),
            xytext=(0, 0),
            textcoords="offset pixels",
            va="center",
            color=_FRONT if point in best else _GREY,
            fontsize=9,
            path_effects=[withStroke(linewidth=3, foreground="white")],  # readable on top of a line
        )
        for dx, dy, side in _PLACES:
            name.xyann = dx, dy
            name.set_horizontalalignment(side)
            box = name.get_window_extent()
            if not box.count_overlaps(taken) and axis.bbox.containsx(box.x0) and axis.bbox.containsx(box.x1):
                break
        taken.append(box)
