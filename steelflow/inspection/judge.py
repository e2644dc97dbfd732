"""Judging a chunk of images: decode, measure, classify. Frames are judged in views, other images as a whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from steelflow.config import FrameSettings, LimitSettings, LineFrame
from steelflow.engine import Engine, Outputs
from steelflow.images.decode import Depth, Grey, decode, resize
from steelflow.images.limits import Room, Turn
from steelflow.images.quality import measure
from steelflow.inspection.frames import FrameBatch
from steelflow.models.spec import ModelSpec
from steelflow.records import Failure, RawImage
from steelflow.report.judged import ImagePlace, Judged, place_of
from steelflow.schema import QUALITY

_SQUEEZED = 4  # a NEU picture has twice the side of the model's pictures; a defect of 19 pixels still has five


@dataclass(frozen=True, slots=True)
class Judge:
    """How the images of one line are judged. ``frame`` is None if they are judged as a whole; ``spec`` is the engine's,
    with the operating point of the line. ``limits_of`` gives the limits of an image, if they are not the same for all.
    ``batch_size`` views go through the engine together. Large pictures wait in
    the ``room`` for memory."""

    engine: Engine
    limits: LimitSettings
    spec: ModelSpec
    frame: LineFrame | None = None
    batch_size: int = 64
    room: Room | None = None
    limits_of: Callable[[RawImage], LimitSettings] | None = None

    def images(self, images: list[RawImage]) -> Judged:
        """Judge a chunk. An image that cannot be decoded becomes a failure row."""
        seen = Depth()
        judged = self.pictures([place_of(image) for image in images], self._decoded(images, seen))
        return replace(judged, wide=seen.images, bits=seen.bits) if seen.images else judged

    def _decoded(self, images: list[RawImage], seen: Depth) -> Iterator[Grey | Failure]:
        """Each picture, or why there is none. The memory of a large one is given back when the next is asked for."""
        turn = Turn(self.room)
        try:
            for image in images:
                data = image.data
                yield data if isinstance(data, Failure) else decode(data, self._limits_of(image), seen, turn)
                if turn.held:
                    turn.give_back()
        finally:
            turn.give_back()

    def _limits_of(self, image: RawImage) -> LimitSettings:
        return self.limits if self.limits_of is None else self.limits_of(image)

    def pictures(self, places: list[ImagePlace], pictures: Iterable[Grey | Failure]) -> Judged:
        """Judge grey pictures, uint8 (H, W) each; failures are kept. There is one item per place."""
        if self.frame is None:
            return judge_pictures(places, pictures, self.engine)
        return judge_frames(places, pictures, self, self.frame)


def frame_of(settings: FrameSettings | None, spec: ModelSpec, line: str | None) -> LineFrame | None:
    """How the frames of a line are judged; None if they are judged as a whole.

    Without settings the model decides: one that was trained on views sees no frame as a whole.
    """
    if settings is None:
        return None if spec.view is None else LineFrame()
    found = settings.of(line)
    return found if found.judged == "views" else None


def judge(
    images: list[RawImage],
    engine: Engine,
    limits: LimitSettings,
    limits_of: Callable[[RawImage], LimitSettings] | None = None,
) -> Judged:
    """Decode, measure and classify a chunk, each image as a whole."""
    return Judge(engine, limits, engine.spec, limits_of=limits_of).images(images)


def judge_pictures(places: list[ImagePlace], pictures: Iterable[Grey | Failure], engine: Engine) -> Judged:
    """Measure and classify grey pictures, uint8 (H, W) each; failures are kept. There is one item per place."""
    started = time.perf_counter()
    count, size = len(places), engine.spec.input_size
    batch = np.empty((count, 1, size, size), np.uint8)
    quality: list[tuple[float, ...]] = []
    sizes: list[tuple[int, ...]] = []
    good: list[int] = []
    failures: dict[int, Failure] = {}
    i = -1
    for grey in pictures:  # without ``enumerate``, which would keep a picture while the next one is decoded
        i += 1
        if isinstance(grey, Failure):
            failures[i] = grey
            continue
        resize(grey, size, batch[len(good), 0])
        quality.append(measure(grey))
        sizes.append(grey.shape)
        good.append(i)
        del grey
    decoded = time.perf_counter()
    outputs = engine.run(batch[: len(good)]) if good else _nothing(engine)
    return Judged(
        places=places,
        failures=failures,
        good=np.array(good, np.intp),
        probabilities=outputs.probabilities,
        embedding=outputs.embedding,
        energy=outputs.energy,
        quality=np.array(quality, np.float32).reshape(-1, len(QUALITY)),
        sizes=np.array(sizes, np.int32).reshape(-1, 2),
        decode_seconds=decoded - started,
        infer_seconds=time.perf_counter() - decoded,
    )


def judge_frames(places: list[ImagePlace], pictures: Iterable[Grey | Failure], how: Judge, frame: LineFrame) -> Judged:
    """As ``judge_pictures``, in views. One frame and one batch of views are in memory at a time."""
    started = time.perf_counter()
    batch = FrameBatch(how.engine, how.spec, frame, how.batch_size)
    failures: dict[int, Failure] = {}
    i = -1
    for grey in pictures:  # as in ``judge_pictures``
        i += 1
        if isinstance(grey, Failure):
            failures[i] = grey
        else:
            batch.add(i, grey, places[i])
        del grey
    batch.flush()
    return batch.judged(places, failures, time.perf_counter() - started)


def squeezed(judged: Judged, spec: ModelSpec) -> dict[str, int]:
    """The sizes, such as ``1600×256``, of images that were judged as a whole although a side is more than
    ``_SQUEEZED`` times that of the model's pictures, with how many images have each."""
    if judged.framed is not None or not len(judged.sizes):
        return {}
    large = judged.sizes[judged.sizes.max(axis=1) > _SQUEEZED * spec.input_size]
    sizes, counts = np.unique(large, axis=0, return_counts=True)
    return {f"{width}×{height}": int(count) for (height, width), count in zip(sizes, counts, strict=True)}


def _nothing(engine: Engine) -> Outputs:
    spec = engine.spec
    return Outputs(*(np.empty(shape, np.float32) for shape in ((0, len(spec.classes)), (0, spec.embedding_dims), 0)))
