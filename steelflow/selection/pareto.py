"""Accuracy and robustness against speed, as a picture: which candidates does no other beat in both?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 900, 420  # of one panel, in pixels
LEFT, RIGHT, TOP, BOTTOM = 80, 40, 44, 52  # around its axes
_SCALE = 2  # drawn larger and made smaller, for smooth lines
_INK, _GREY, _GRID, _FRONT = "#222222", "#666666", "#dddddd", "#1f5fa8"


@dataclass(frozen=True, slots=True)
class Point:
    name: str
    speed: float  # images/s
    value: float  # 0…1


def front(points: Sequence[Point]) -> list[Point]:
    """Those that no other equals or beats in both, from slow to fast; of points that are equal in both, one."""
    found: list[Point] = []
    for point in sorted(points, key=lambda p: (-p.speed, -p.value)):
        if not found or point.value > found[-1].value:
            found.append(point)
    return found[::-1]


def draw_results(results: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Two panels from results of ``compare`` that have a speed: accuracy, and mean accuracy under disturbance."""
    panels = {"accuracy": "accuracy", "accuracy under disturbance, mean": "robustness_mean"}
    draw_pareto(
        {
            title: [Point(r["model"], r["speed"]["end_to_end"], r[key]) for r in results]
            for title, key in panels.items()
        },
        path,
    )


def draw_pareto(panels: dict[str, Sequence[Point]], path: Path) -> None:
    """Write a PNG with one panel for each title; the speed has a logarithmic axis, and the front is a line."""
    picture = Image.new("RGB", (WIDTH * _SCALE, HEIGHT * len(panels) * _SCALE), "white")
    for place, (title, points) in enumerate(panels.items()):
        _Panel(picture, place * HEIGHT, points).draw(title)
    picture.resize((WIDTH, HEIGHT * len(panels)), Image.Resampling.LANCZOS).save(path)


def speed_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, the last at most ``low`` and the first at least ``high`` included."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [m * 10.0**power for power in powers for m in (1, 2, 5)]
    first = max(value for value in values if value <= low)
    last = min((value for value in values if value >= high), default=values[-1])
    return [value for value in values if first <= value <= max(last, 2 * first)]


def value_ticks(low: float, high: float) -> list[float]:
    """Percentages from at or below ``low`` to at or above ``high``, in five steps at most."""
    step = next(s for s in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if s * 4 >= high - low)
    last = math.ceil(high / step - 1e-9)
    first = min(math.floor(low / step + 1e-9), last - 1)
    return [k * step for k in range(first, last + 1)]


class _Panel:
    def __init__(self, picture: Image.Image, top: int, points: Sequence[Point]) -> None:
        self.pen = ImageDraw.Draw(picture)
        self.top = top
        self.points = points
        self.speeds = speed_ticks(min(p.speed for p in points), max(p.speed for p in points))
        self.values = value_ticks(min(p.value for p in points), max(p.value for p in points))

    def draw(self, title: str) -> None:
        self._text((LEFT, self.top + 10), title, _INK, "la", 17)
        for value in self.values:
            self._line([self._at(self.speeds[0], value), self._at(self.speeds[-1], value)], _GRID, 1)
            self._text((LEFT - 8, self._at(self.speeds[0], value)[1]), f"{value:.1%}", _GREY, "rm")
        for speed in self.speeds:
            x, y = self._at(speed, self.values[0])
            self._line([(x, y), self._at(speed, self.values[-1])], _GRID, 1)
            self._text((x, y + 8), f"{speed:,g}", _GREY, "ma")
        self._text((WIDTH - RIGHT, self.top + HEIGHT - 10), "images/s, end to end", _GREY, "rd")
        best = front(self.points)
        self._line([self._at(p.speed, p.value) for p in best], _FRONT, 2)
        taken: list[tuple[float, float]] = []
        for point in sorted(self.points, key=lambda p: -p.value):
            x, y = self._at(point.speed, point.value)
            colour = _FRONT if point in best else _GREY
            self.pen.circle((x * _SCALE, y * _SCALE), 4 * _SCALE, colour)
            height = y - 8
            while any(abs(x - other) < 110 and abs(height - level) < 14 for other, level in taken):
                height += 14  # names that would cover each other go below
            taken.append((x, height))
            right = x > WIDTH - RIGHT - 140
            self._text((x - 8 if right else x + 8, height), point.name, colour, "rm" if right else "lm")

    def _at(self, speed: float, value: float) -> tuple[float, float]:
        low, high = math.log(self.speeds[0]), math.log(self.speeds[-1])
        x = LEFT + (WIDTH - LEFT - RIGHT) * (math.log(speed) - low) / (high - low)
        share = (value - self.values[0]) / (self.values[-1] - self.values[0])
        return x, self.top + HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    def _line(self, points: Sequence[tuple[float, float]], colour: str, width: int) -> None:
        self.pen.line([(x * _SCALE, y * _SCALE) for x, y in points], colour, width * _SCALE, joint="curve")

    def _text(self, at: tuple[float, float], text: str, colour: str, anchor: str, size: int = 13) -> None:
        font = ImageFont.load_default(size * _SCALE)
        self.pen.text((at[0] * _SCALE, at[1] * _SCALE), text, colour, font, anchor)
