"""Classify images that are in memory or in single files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from threadpoolctl import threadpool_limits

from steelflow.api.arguments import Place, Progress, chosen
from steelflow.config import EngineName, LimitSettings, Settings
from steelflow.errors import ConfigError
from steelflow.images.decode import Grey, decode
from steelflow.inspection.judge import Judge, frame_of
from steelflow.inspection.pipeline import Model, load_model, new_run_id
from steelflow.records import Failure, Partition, Unit
from steelflow.report.judged import ImagePlace, Judged, Origin
from steelflow.report.judged import rows as table_of
from steelflow.schema import report_schema

Image = npt.NDArray[np.uint8] | bytes | Place
"""A grey picture (H, W), the bytes of an image file, or its path."""

_BATCH = 64  # images: to measure what is best here, as a night does, takes as long as classifying hundreds
_COLOURS = (3, 4)  # channels
_NOWHERE = Unit("images", Partition(None, None), "loose", ())
_OF_AN_ARCHIVE = ("member", "ordinal", "line", "date", "coil", "position", "captured_at", "unit_id", "run_id")
_OF_A_STRIP = ("camera", "side", "frame", "length")


def classify(
    images: npt.NDArray[np.uint8] | Image | Iterable[Image],
    *,
    model: Place | None = None,
    engine: EngineName | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Classify images in memory or in files. Nothing is written.

    Args:
        images: grey pictures as one uint8 array (N, H, W), 0 is black and 255 is white; or one image or several, each
            a uint8 array (H, W), the bytes of a JPEG, PNG, BMP or TIFF file, or its path. They may differ in size.
        model: a shipped name (``steelnet``, ``ssdc_mininet``), an ONNX file that ``steelflow.train`` wrote, a version
            of the registry (``v3``) or ``champion``. Default: ``model.ref`` of the settings.
        engine: ``auto``, ``onnxruntime``, ``openvino`` or ``torch``. Default: ``model.engine`` of the settings.
        settings: as ``load_settings`` returns them. Default: ``load_settings()``.
        progress: called with the number of images classified since the last call, such as ``tqdm().update``.

    Returns:
        One row for each image, in order, with columns as in a report: ``object_key`` (the path; ``images[3]`` for an
        image in memory), ``status`` (``ok`` or ``failed``), ``error`` (the reason), ``label``, ``confidence`` and
        ``p_<class>`` (0 to 1), ``margin``, ``entropy`` (nats), ``energy``, ``novelty`` (1 is the limit), ``novel``,
        ``brightness`` and ``contrast`` (grey levels, 0 to 255), ``sharpness``, ``saturation`` (0 to 1), ``width`` and
        ``height`` (pixels), ``embedding``, ``model_name``, ``model_version``, ``model_digest``, ``inferred_at``. For a
        model of views, or with frames in the settings, also ``regions`` (their number) and ``defect_area`` (pixels);
        the predictions are then those of the worst view. They are null in a row that failed: a file that cannot be
        read is no error.

    Raises:
        ConfigError: an array is not uint8, or does not have the shape of a grey picture.
        ModelError, EngineError: the model is unknown or damaged, or cannot run here.

    Example:
        import numpy as np

        pictures = np.random.default_rng(0).integers(0, 256, (2, 200, 200), np.uint8)
        steelflow.classify(pictures).select("label", "confidence", "novel")
        steelflow.classify(["photos/0001.jpg", "photos/0002.jpg"])
    """
    listed = _listed(images)
    current = chosen(settings, model, engine)
    loaded = _loaded(current)

    def judged(start: int) -> Judged:
        part = listed[start : start + loaded.batch_size]
        names = [ImagePlace(_name(image, start + i), None, 0) for i, image in enumerate(part)]
        return how.pictures(names, (_picture(image, current.limits) for image in part))

    frame, spec = frame_of(current.frame, loaded.spec, None), loaded.spec_on(None)
    how = Judge(loaded.engine, current.limits, spec, frame, loaded.batch_size)
    origin = Origin(_NOWHERE, spec, loaded.engine.digest, new_run_id(), loaded.engine.novelty)
    empty = report_schema(spec.classes, spec.embedding_dims, frame is not None).empty_table()
    tables = [pl.DataFrame(empty)]
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(loaded.workers) as pool:
        for one in pool.map(judged, range(0, len(listed), loaded.batch_size)):
            tables.append(pl.DataFrame(table_of(one, origin)))
            if progress:
                progress(len(one.places))
    return pl.concat(tables).drop(_OF_AN_ARCHIVE).drop(_OF_A_STRIP, strict=False)


def _loaded(settings: Settings) -> Model:
    fixed = {"batch_size": settings.model.batch_size or _BATCH}
    return load_model(settings.model_copy(update={"model": settings.model.model_copy(update=fixed)}))


def _listed(images: npt.NDArray[np.uint8] | Image | Iterable[Image]) -> list[Image]:
    """The images one by one, checked."""
    several: Iterable[Image]
    if isinstance(images, np.ndarray):
        if images.ndim == 3 and images.shape[-1] in _COLOURS:
            raise ConfigError(f"images: shape {images.shape} is a colour picture; convert it to grey, uint8 (H, W)")
        several = images if images.ndim == 3 else [images]
    else:
        several = [images] if isinstance(images, (bytes, str, os.PathLike)) else images
    listed = list(several)
    for i, image in enumerate(listed):
        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8 or image.ndim != 2:
                raise ConfigError(
                    f"images[{i}]: {image.dtype} of shape {image.shape}; give grey pictures as uint8 (H, W), or all "
                    "of one size as uint8 (N, H, W)"
                )
        elif not isinstance(image, (bytes, str, os.PathLike)):
            raise ConfigError(f"images[{i}]: a {type(image).__name__}; give an array, the bytes of a file, or a path")
    return listed


def _name(image: Image, index: int) -> str:
    return f"images[{index}]" if isinstance(image, (np.ndarray, bytes)) else os.fspath(image)


def _picture(image: Image, limits: LimitSettings) -> Grey | Failure:
    if isinstance(image, np.ndarray):
        return np.ascontiguousarray(image) if image.size else Failure("empty", f"an array of shape {image.shape}")
    if isinstance(image, bytes):
        return decode(image, limits)
    try:
        return decode(Path(image).expanduser().read_bytes(), limits)
    except IsADirectoryError:
        return Failure("unreadable", "a folder; steelflow.inspect reads folders")
    except OSError as exc:
        return Failure("unreadable", exc.strerror or type(exc).__name__)
