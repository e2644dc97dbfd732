"""One colour per class on all pages, distinguishable by colour-blind people as well.

Source: Okabe and Ito, "Color Universal Design" (2008). The usual six classes have the most distinct colours. The colour
of a new class depends on its name alone, not on the other classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

USUAL = {
    "crazing": "#56B4E9",  # sky blue
    "inclusion": "#E69F00",  # orange
    "patches": "#009E73",  # bluish green
    "pitted_surface": "#CC79A7",  # reddish purple
    "rolled-in_scale": "#0072B2",  # blue
    "scratches": "#D55E00",  # vermillion
    "good": "#B4BEC6",  # light grey: no defect
}
REST = ("#F0E442", "#AA4499", "#999933", "#882255", "#44AA99", "#DDCC77")  # yellow; then of Paul Tol's "muted"
UNREADABLE = "#8A939C"

GOOD, WARN, BAD, IDLE = "#009E73", "#E69F00", "#D55E00", "#8A939C"
LINES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8A939C")
# Colours for zero, just below, at, and twice the threshold. Below the threshold they are transparent, so small values
# are inconspicuous on a light and on a dark page. Colour-blind people can distinguish blue and orange.
SHARE = ("rgba(86, 180, 233, 0.10)", "rgba(86, 180, 233, 0.60)", "#E69F00", "#D55E00")
STAGES = {"fetch": "#0072B2", "decode": "#56B4E9", "infer": "#E69F00", "write": "#009E73"}


def colour(label: str | None) -> str:
    """The colour of a class; grey for an image that could not be read."""
    if label is None or label == "unreadable":
        return UNREADABLE
    if label in USUAL:
        return USUAL[label]
    return REST[hashlib.sha256(label.encode()).digest()[0] % len(REST)]


def scale(labels: Iterable[str | None]) -> tuple[list[str], list[str]]:
    """Domain and range of a chart's colour scale for these classes."""
    names = sorted({"unreadable" if label is None else label for label in labels})
    return names, [colour(name) for name in names]
