"""The views of many frames in full batches, and what they say of each frame."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from steelflow.config import LineFrame
from steelflow.engine import Engine, Outputs
from steelflow.engine.base import softmax
from steelflow.frames.background import CELL, Mask, fill, in_view, off_strip
from steelflow.frames.cells import Canvas
from steelflow.frames.place import Scale, scale_of
from steelflow.frames.views import cut, grid, padded
from steelflow.images.decode import Grey
from steelflow.images.quality import measure
from steelflow.models.decision import defect_scores, good_indices, is_defect, labels_at
from steelflow.models.pooling import pooled
from steelflow.models.spec import ModelSpec
from steelflow.records import Failure
from steelflow.report.judged import Floats, Found, Framed, ImagePlace, Judged
from steelflow.schema import QUALITY


@dataclass(slots=True)
class _Frame:
    """A frame whose views are judged. ``worst`` is the view with the highest score so far."""

    number: int
    place: ImagePlace
    size: tuple[int, int]
    quality: tuple[float, ...]
    scale: Scale
    length: float
    canvas: Canvas
    rank: float = -1.0
    worst: tuple[Floats, Floats, np.float32] | None = None

    def found(self) -> list[Found]:
        regions = []
        for number, region in enumerate(self.canvas.regions()):
            along, across, length, width = self.scale.place(region.x, region.y, region.width, region.height)
            area = region.area * self.scale.mm_along * self.scale.mm_across
            regions.append(Found(self.number, number, region, along, across, length, width, area))
        return regions


@dataclass(slots=True)
class FrameBatch:
    """Collects views until a batch is full. ``spec`` has the operating point of the line."""

    engine: Engine
    spec: ModelSpec
    settings: LineFrame
    batch_size: int
    infer_seconds: float = 0.0
    _frames: list[_Frame] = field(default_factory=list)
    _owners: list[tuple[_Frame, int, int, Mask | None]] = field(default_factory=list)
    _views: npt.NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        size = self.spec.input_size
        self._views = np.empty((self.batch_size, 1, size, size), np.uint8)

    @property
    def side(self) -> int:
        """Side of a view in pixels of the frame."""
        return self.settings.view or self.spec.view or self.spec.input_size

    def add(self, number: int, grey: Grey, place: ImagePlace) -> None:
        """Cut a frame, uint8 (H, W), into views; every full batch of them is judged."""
        height, width = grey.shape
        off = None if self.settings.background is None else off_strip(grey, self.settings.background)
        scale = scale_of(self.settings, place.camera, place.position, place.mm_along, place.mm_across)
        strip = grey if off is None else _on_strip(grey, off)
        frame = _Frame(
            number=number,
            place=place,
            size=(height, width),
            quality=measure(strip),
            scale=scale,
            length=scale.length(*strip.shape) * (off is None or not off.all()),
            canvas=Canvas(height, width, self.side),
        )
        self._frames.append(frame)
        whole = padded(grey, self.side)
        for top, left, seen_off in self._seen(whole, off):
            picture = self._views[len(self._owners), 0]
            cut(whole, top, left, self.side, picture)
            if seen_off is not None:
                fill(picture, seen_off)
            self._owners.append((frame, top, left, seen_off))
            if len(self._owners) == self.batch_size:
                self.flush()

    def _seen(self, whole: Grey, off: Mask | None) -> list[tuple[int, int, Mask | None]]:
        """The views that show the strip, with their pixels off the strip. A frame without any strip keeps one view."""
        height, width = whole.shape
        places = grid(height, width, self.side, self.settings.overlap)
        if off is None:
            return [(top, left, None) for top, left in places]
        size = self.spec.input_size
        masks = [(top, left, in_view(off, top, left, self.side, size)) for top, left in places]
        return [one for one in masks if one[2] is None or not one[2].all()] or masks[:1]

    def flush(self) -> None:
        """Judge the views that wait."""
        count = len(self._owners)
        if not count:
            return
        started = time.perf_counter()
        outputs = self.engine.run(self._views[:count])
        self.infer_seconds += time.perf_counter() - started
        self._take(outputs)
        self._owners.clear()

    def _probabilities(self, outputs: Outputs) -> Floats:
        """The probabilities of the views, without the cells off the strip if the model has a map."""
        masked = [i for i, (*_, off) in enumerate(self._owners) if off is not None]
        if outputs.map is None or not masked or self.spec.sharpness is None:
            return self._good_without_strip(outputs.probabilities, masked)
        seen = np.stack([self._on_strip(i, outputs.map) for i in masked])
        logits = pooled(outputs.map[masked], good_indices(self.spec), self.spec.sharpness, seen)
        probabilities = outputs.probabilities.copy()
        probabilities[masked] = softmax(logits, self.spec.temperature)
        return probabilities

    def _good_without_strip(self, probabilities: Floats, masked: list[int]) -> Floats:
        """Views of no strip at all are surely good, whatever a model without a map says of their even grey."""
        bare = [i for i in masked if (off := self._owners[i][3]) is not None and off.all()]
        if not bare or not self.spec.good:
            return probabilities
        good = good_indices(self.spec)
        changed = probabilities.copy()
        changed[bare] = 0
        changed[np.ix_(bare, good)] = 1 / len(good)
        return changed

    def _on_strip(self, view: int, cells: Floats) -> Mask:
        """Which cells of a view are on the strip, (h, w), for a map ``cells`` (N, C, h, w)."""
        off = self._owners[view][3]
        assert off is not None, "the caller asks for masked views"
        rows, columns = (_centres(self.spec.input_size, size) for size in cells.shape[2:])
        return ~off.take(columns, 1).take(rows, 0)

    def _take(self, outputs: Outputs) -> None:
        """Give each frame its views: the worst of them, and those that are defects."""
        spec, probabilities = self.spec, self._probabilities(outputs)
        scores = defect_scores(probabilities, spec) if spec.good else probabilities.max(axis=1)
        # Without an operating point a good view can score higher than a defect: a defect is worse, whatever its score.
        ranks = scores + is_defect(probabilities, spec) if spec.good else scores
        for i, (frame, *_) in enumerate(self._owners):
            if ranks[i] > frame.rank:
                frame.rank = float(ranks[i])
                frame.worst = (probabilities[i], outputs.embedding[i], outputs.energy[i])
        if not spec.good:
            return
        labels = labels_at(probabilities, spec)
        for i in np.flatnonzero(is_defect(probabilities, spec)).tolist():
            frame, top, left, off = self._owners[i]
            cells = None
            if outputs.map is not None:
                cells = defect_scores(softmax_of(outputs.map[i], spec), spec)[0]
                cells = cells if off is None else cells * self._on_strip(i, outputs.map)
            frame.canvas.paint(top, left, int(labels[i]), float(scores[i]), cells)

    def judged(self, places: list[ImagePlace], failures: dict[int, Failure], seconds: float) -> Judged:
        """The chunk of all frames that were added. ``seconds`` is the whole time that it took."""
        worst = [frame.worst for frame in self._frames if frame.worst is not None]
        dims = (len(self.spec.classes), self.spec.embedding_dims)
        probabilities, embedding, energy = (
            np.array([one[part] for one in worst], np.float32).reshape(len(worst), *shape)
            for part, shape in enumerate(((dims[0],), (dims[1],), ()))
        )
        lengths = np.array([frame.length for frame in self._frames], np.float32)
        found = [one for frame in self._frames for one in frame.found()] if self.spec.good else None
        return Judged(
            places=places,
            failures=failures,
            good=np.array([frame.number for frame in self._frames], np.intp),
            probabilities=probabilities,
            embedding=embedding,
            energy=energy,
            quality=np.array([frame.quality for frame in self._frames], np.float32).reshape(-1, len(QUALITY)),
            sizes=np.array([frame.size for frame in self._frames], np.int32).reshape(-1, 2),
            framed=Framed(lengths, found),
            decode_seconds=seconds - self.infer_seconds,
            infer_seconds=self.infer_seconds,
        )


def softmax_of(cells: Floats, spec: ModelSpec) -> Floats:
    """The class probabilities of the cells of one view, logits (C, h, w) to (1, C, h, w)."""
    moved = softmax(np.moveaxis(cells, 0, -1), spec.temperature)
    return np.asarray(np.moveaxis(moved, -1, 0)[None], np.float32)


def _on_strip(grey: Grey, off: Mask) -> Grey:
    """The smallest part of the frame with all of the strip; all of the frame if it has none."""
    rows, columns = np.flatnonzero((~off).any(axis=1)), np.flatnonzero((~off).any(axis=0))
    if not len(rows):
        return grey
    return grey[rows[0] * CELL : (rows[-1] + 1) * CELL, columns[0] * CELL : (columns[-1] + 1) * CELL]


def _centres(size: int, cells: int) -> npt.NDArray[np.intp]:
    """The pixels at the centres of ``cells`` cells over ``size`` pixels."""
    return ((np.arange(cells) + 0.5) * size / cells).astype(np.intp)
