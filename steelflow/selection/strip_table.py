"""The tables of strip models in docs/models.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Result = dict[str, Any]
KINDS = ("strip", "strip-speed")

_FIGURES = """
## Views of strip

Measured with `steelflow models strip-figures`, on pictures that took no part in training: the mean over the seeds ±
half the 95 % interval. Each seed holds out another fifth of the tiles.

The folder of magnetic tiles has most tiles several times, in other light and under other numbers. A split by name puts
some of them into both parts. Its figures hold for tiles of a lot that the model knows. Those of the other split hold
for tiles of a kind that it has not seen; a handful of tiles decides them ([frames](frames.md#how-accurate-it-is)).

- *Pictures*: area under the ROC curve of good against defective pictures, and the share of defective pictures that is
  found if 5 % of the good ones alarm.
- *Crossed*: the defective pictures found, and the good ones that alarm, if the threshold for 5 % is fitted on the other
  half of the held-out tiles.
- *Frames*: the same for frames of 1600×256 pixels, composed of held-out pictures at native scale.
- *Pointing*: the share of defective pictures in which the highest cell of the map lies on a defect.
- *Class*: the share of defective pictures whose class is right.
- *Box*: the box of a region as a multiple of the box of its defect, the median.

"""

_SPEED = """
Megapixels a second of processor time on one thread of {machine}, batches of {batch}, measured with
`steelflow models strip-speed`: the median of {rounds} rounds.

"""

_BEFORE = "by name alone"

_COLUMNS = {
    "pictures": "picture_auc",
    "found": "picture_recall",
    "crossed: found": "crossed_recall",
    "alarms": "crossed_alarms",
    "frames": "frame_auc",
    "found in frames": "frame_recall",
    "pointing": "pointing",
    "class": "class_right",
    "box": "box_ratio",
}


def render_strip(results: Sequence[Result], table: Callable[[Sequence[str], Sequence[Sequence[str]]], str]) -> str:
    """Markdown; ``table`` renders a head and rows."""
    text = ""
    if figures := sorted((r for r in results if r["kind"] == "strip"), key=lambda r: str(r["data"]["name"])):
        rows = [row for r in figures for name, of in r["models"].items() for row in _rows(r, name, of)]
        text += _FIGURES + table(["data", "split", "model", "seeds", *_COLUMNS], rows)
    for speed in (r for r in results if r["kind"] == "strip-speed"):
        rows = [
            (f"`{name}`", f"{of['input_size']}²", f"{of['median_mpx_s']:.0f}", f"{of['times_steelnet']:.2f}")
            for name, of in speed["models"].items()
        ]
        text += _SPEED.format(**speed) + table(["model", "input", "Mpx/s", "times steelnet"], rows)
    return text


def _rows(result: Result, name: str, of: dict[str, Any]) -> list[tuple[str, ...]]:
    """One row; for a split by name, a second one of the held-out pictures without lookalikes in training."""
    split = result.get("split", _BEFORE)
    parts = {split: of["summary"], f"{split}, those without lookalikes": of.get("without_lookalikes")}
    return [
        (
            result["data"]["name"],
            title,
            f"`{name}`",
            str(len(of["runs"])),
            *(_mean(key, found.get(key)) for key in _COLUMNS.values()),
        )
        for title, found in parts.items()
        if found is not None
    ]


def _mean(key: str, figure: dict[str, Any] | None) -> str:
    """AUCs have four digits, ratios two, and shares are in percent."""
    if figure is None:
        return "–"
    scale, digits, unit = (1, 4, "") if key.endswith("auc") else (1, 2, "×") if key == "box_ratio" else (100, 1, " %")
    spread = figure["interval_95"]
    return f"{scale * figure['mean']:.{digits}f}" + ("" if spread is None else f" ± {scale * spread:.{digits}f}") + unit
