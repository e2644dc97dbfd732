"""The loop on real images: drift costs accuracy, thirty labels a class win it back, and what was known stays known."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from steelflow.config import ArchiveSettings, LimitSettings, ReportSettings, Settings
from steelflow.engine import open_engine
from steelflow.images.decode import decode
from steelflow.labels import Label, open_labels
from steelflow.models.shipped import shipped
from steelflow.registry import open_registry, resolved
from steelflow.retrain import retrain
from steelflow.retrain.judging import answers
from steelflow.training.data import load_images, split
from steelflow.training.robustness import Condition, motion_blur

_OF_A_CLASS = 30
_DRIFT = motion_blur(11)  # of a camera on a shaking stand: 24 points of accuracy

Encoded = list[tuple[str, bytes]]


def disturbed(root: Path, paths: Iterable[str], condition: Condition) -> Encoded:
    found = []
    for number, path in enumerate(paths):
        picture = decode((root / path).read_bytes(), LimitSettings())
        assert isinstance(picture, np.ndarray)
        _, data = cv2.imencode(".png", condition(picture[None], np.random.default_rng(number))[0])
        found.append((path, data.tobytes()))
    return found


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_what_drift_costs_is_won_back(neu_dir: Path, tmp_path: Path) -> None:
    data = load_images(neu_dir, 8)
    training, held_out = split(data)
    names = [data.classes[label] for label in data.labels]
    settings = Settings(
        home=tmp_path / "home",
        archive=ArchiveSettings(uri=str(tmp_path)),
        report=ReportSettings(uri=str(tmp_path / "reports")),
    )
    labels = open_labels(settings)

    def say(images: Encoded, source: str) -> None:
        put = labels.images.put_many(image for _, image in images)
        said = [Label(key, path.partition("/")[0], "ann", source) for key, (path, _) in zip(put, images, strict=True)]
        labels.add(said, new_classes=data.classes)

    def read(indices: npt.NDArray[np.int64]) -> Encoded:
        return [(data.paths[i], (neu_dir / data.paths[i]).read_bytes()) for i in indices]

    def accuracy(images: Encoded) -> float:
        engine = open_engine(resolved(settings).path)
        return float(answers(engine, images, [names[i] for i in held_out], LimitSettings()).right.mean())

    # A golden set that trained the shipped model, which remembers it: its accuracy on other images counts.
    say(read(training), "import")
    golden = [(labels.images.put(image), path.partition("/")[0]) for path, image in read(held_out)]
    labels.freeze(pl.DataFrame(golden, ["image", "label"], orient="row"), who="ann", reason="a test")
    taken = labels.snapshot()
    labels.write_snapshot(taken)
    registry = open_registry(settings)
    first = registry.register("steelnet", who="ann", reason="it ships", data_hash=taken.hash)
    registry.promote(first, who="ann", reason="it ships")

    drifted = disturbed(neu_dir, [data.paths[i] for i in held_out], _DRIFT)
    known = shipped(first.digest)
    assert known is not None
    assert known.accuracy is not None
    clean, cost = min(accuracy(read(held_out)), known.accuracy), accuracy(drifted)
    assert clean - cost > 0.1, "a drift that costs nothing proves nothing"
    rng = np.random.default_rng(0)
    chosen = [
        i
        for label in range(len(data.classes))
        for i in rng.choice(training[data.labels[training] == label], _OF_A_CLASS, False)
    ]
    say(disturbed(neu_dir, [data.paths[i] for i in chosen], _DRIFT), "review")

    result = retrain(settings, trigger="drift", reason="a shaking camera", who="ann")
    assert result.state == "promoted", result.text
    after, won = accuracy(read(held_out)), accuracy(drifted)
    figures = f"clean {clean:.2%} -> {after:.2%}, drifted {cost:.2%} -> {won:.2%}"
    assert won - cost >= 0.9 * (clean - cost), figures
    assert after >= clean - 0.005, figures

    before = registry.fetch(first, tmp_path / "elsewhere").read_bytes()
    registry.rollback(who="ann", reason="a test")
    assert resolved(settings).path.read_bytes() == before
    assert accuracy(drifted) == cost
