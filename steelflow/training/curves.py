"""Draw the learning curves: loss, learning rate and, with a validation part, accuracy, by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from steelflow.training.state import Progress

Curve = Sequence[tuple[int, float]]  # epoch and value

WIDTH, HEIGHT = 900, 280  # of one panel, in pixels
LEFT, RIGHT, TOP, BOTTOM = 80, 24, 44, 40  # margins around the axes
_SCALE = 2  # draw larger, then reduce, for smooth lines
_INK, _GREY, _GRID = "#222222", "#666666", "#dddddd"
_COLOURS = ("#1f5fa8", "#d1622b")


def draw_curves(epochs: Sequence[Progress], path: Path, kept: int | None = None) -> None:
    """Write a PNG. ``kept`` is the epoch whose weights were kept; it is marked."""
    panels = {"loss by epoch": {"training": [(p.epoch, p.loss) for p in epochs]}}
    losses = [(p.epoch, p.validation_loss) for p in epochs if p.validation_loss is not None]
    accuracies = [(p.epoch, p.validation_accuracy) for p in epochs if p.validation_accuracy is not None]
    if losses:
        panels["loss by epoch"]["validation"] = losses
    if accuracies:
        panels["validation accuracy by epoch"] = {"validation": accuracies}
    panels["learning rate by epoch"] = {"rate": [(p.epoch, p.learning_rate) for p in epochs]}
    picture = Image.new("RGB", (WIDTH * _SCALE, HEIGHT * len(panels) * _SCALE), "white")
    for place, (title, curves) in enumerate(panels.items()):
        _Panel(picture, place, epochs[-1].epoch, curves).draw(title, kept)
    picture.resize((WIDTH, HEIGHT * len(panels)), Image.Resampling.LANCZOS).save(path)


class _Panel:
    """One pair of axes that start at 0: epochs on x, values on y."""

    def __init__(self, picture: Image.Image, place: int, epochs: int, curves: Mapping[str, Curve]) -> None:
        self.pen = ImageDraw.Draw(picture)
        self.top = place * HEIGHT
        self.curves = curves
        self.epochs = epochs
        self.values = ticks(max(value for curve in curves.values() for _, value in curve))

    def draw(self, title: str, kept: int | None) -> None:
        self._text((LEFT, self.top + 10), title, _INK, "la", 17)
        for value in self.values:
            x, y = self._at(0, value)
            self._line([(x, y), self._at(self.epochs, value)], _GRID, 1)
            self._text((x - 8, y), f"{value:g}", _GREY, "rm")
        for epoch in ticks(self.epochs):
            if epoch <= self.epochs and epoch == round(epoch):
                x, y = self._at(epoch, 0)
                self._text((x, y + 8), f"{epoch:g}", _GREY, "ma")
        if kept is not None:
            x, y = self._at(kept, self.values[-1])
            self._line([self._at(kept, 0), (x, y)], _GREY, 1)
            self._text((x, y - 4), f"kept: epoch {kept}", _GREY, "md" if kept < 0.9 * self.epochs else "rd")
        for place, (name, curve) in enumerate(self.curves.items()):
            points = [self._at(*point) for point in curve]
            self._line(points, _COLOURS[place], 2)
            for point in points if len(points) < 3 else ():
                self._dot(point, _COLOURS[place])
            if len(self.curves) > 1:
                self._text((LEFT + 120 + 90 * place, self.top + 12), name, _COLOURS[place], "la", 14)

    def _at(self, epoch: float, value: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * epoch / self.epochs
        y = self.top + HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.values[-1]
        return x, y

    def _line(self, points: Sequence[tuple[float, float]], colour: str, width: int) -> None:
        self.pen.line([(x * _SCALE, y * _SCALE) for x, y in points], colour, width * _SCALE, joint="curve")

    def _dot(self, point: tuple[float, float], colour: str) -> None:
        self.pen.circle((point[0] * _SCALE, point[1] * _SCALE), 4 * _SCALE, colour)

    def _text(self, at: tuple[float, float], text: str, colour: str, anchor: str, size: int = 13) -> None:
        font = ImageFont.load_default(size * _SCALE)
        self.pen.text((at[0] * _SCALE, at[1] * _SCALE), text, colour, font, anchor)


def ticks(high: float, about: int = 5) -> list[float]:
    """Round numbers from 0 to ``high`` or a little above, evenly spaced by 1, 2 or 5 times a power of ten."""
    high = high if high > 0 else 1.0
    power = 10.0 ** math.floor(math.log10(high / about))
    step = next(m * power for m in (1, 2, 5, 10) if m * power * about >= high * (1 - 1e-9))
    return [place * step for place in range(math.ceil(high / step - 1e-9) + 1)]
