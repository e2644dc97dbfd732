"""The better candidate is chosen by held-out images that trained none of them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import save_file
from strip import DARK, STEEL, level_model
from toys import PLAIN, stripes

from steelflow.models.seen import SEEN, among, as_text, marks, trained_on
from steelflow.retrain.candidates import Candidate, Plan, train_candidates
from steelflow.retrain.gate import FEWEST
from steelflow.retrain.strip.candidates import StripCandidate, fairly
from steelflow.training.annotations import load_annotations
from steelflow.training.train import TrainingPlan, train

CLASSES = ("across", "along")
IMAGES = 30  # of each class


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images in ``data``; the champion was trained on most of those in ``known``, which are among them."""
    folder = tmp_path_factory.mktemp("candidates")
    rng = np.random.default_rng(0)
    for name in CLASSES:
        for i in range(IMAGES):
            ok, data = cv2.imencode(".png", stripes(name == "along", rng))
            assert ok
            for part in ("data", *(("known",) if i < IMAGES // 2 else ())):
                (folder / part / name).mkdir(parents=True, exist_ok=True)
                (folder / part / name / f"{i}.png").write_bytes(data.tobytes())
    plan = TrainingPlan("steelnet_s", input_size=100, recipe=replace(PLAIN, epochs=2))
    train(folder / "known", plan, folder / "champion")
    return folder


def trained(folder: Path, work: Path, held_out: set[bytes], tell: list[str]) -> list[Candidate]:
    plan = Plan(
        data=folder / "data",
        work=work,
        arch="steelnet_s",
        champion=folder / "champion" / "steelnet_s.onnx",
        epochs=2,
        rule="some",
        is_held_out=held_out.__contains__,
        is_new=lambda _: False,
        about="",
    )
    return train_candidates(plan, tell.append, lambda _: None)


def digests(folder: Path, part: str, first: int, last: int) -> set[bytes]:
    files = [folder / part / name / f"{i}.png" for name in CLASSES for i in range(first, last)]
    return {hashlib.sha256(file.read_bytes()).digest() for file in files}


def test_images_that_trained_the_champion_do_not_choose(folder: Path, tmp_path: Path) -> None:
    fresh, told = digests(folder, "data", 20, 27), list[str]()
    found = trained(folder, tmp_path, fresh | digests(folder, "data", 0, 10), told)
    assert {one.kind for one in found} == {"from scratch", "fine-tuned"}
    for one in found:
        assert one.unseen is not None
        assert one.metrics["held_out"]["images"] == 34
        known = one.unseen["images"] - len(fresh)  # the champion's training held out a fifth of what it was given
        assert 0 <= known < 10
        assert one.accuracy == one.unseen["accuracy"] == one.for_manifest["accuracy"]
        assert one.figures["unseen"] == one.unseen
    assert any("held-out images trained no candidate" in text for text in told)
    assert found[0].merit >= found[1].merit


@pytest.mark.parametrize("fresh", [0, FEWEST // 2 - 1])
def test_too_few_other_images_leave_the_choice_to_all(folder: Path, tmp_path: Path, fresh: int) -> None:
    held_out = digests(folder, "data", 20, 20 + fresh) | trained_images(folder)
    for one in trained(folder, tmp_path, held_out, []):
        assert one.unseen is None
        assert one.proof == one.metrics["held_out"]
        assert "unseen" not in one.figures


def test_frames_that_trained_the_champion_do_not_choose(tmp_path: Path) -> None:
    """One candidate remembers the frames on which the model is wrong: a defect that it does not see."""
    rows = ["path,label,x,y,width,height"]
    for i in range(16):
        grey = np.full((64, 64), STEEL, np.uint8)
        grey[0, i] += 1  # no two files are the same
        if defect := i % 2:
            grey[8:24, 8:24] = DARK if i > 1 else STEEL - 10
        (tmp_path / f"{i}.png").write_bytes(cv2.imencode(".png", grey)[1].tobytes())
        rows.append(f"{i}.png,dark,8,8,16,16" if defect else f"{i}.png,good,,,,")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    data = load_annotations(tmp_path / "labels.csv")
    held_out = [i for i, item in enumerate(data.items) if item.path != "0.png"]
    remembered = [item.digest for item in data.items if item.path in ("0.png", "1.png", "2.png")]
    found = []
    for kind, known in (("from the shipped weights", []), ("fine-tuned", remembered)):
        (tmp_path / kind).mkdir()
        onnx = level_model(tmp_path / kind / "strip.onnx")
        save_file({"none": np.zeros(1)}, onnx.with_suffix(".safetensors"), {SEEN: as_text(marks(known))})
        metrics = {"held_out": {"auc": 0.9, "recall": 0.8}, "images": {"held_out": 15}, "recipe": {"steps": 1}}
        found.append(StripCandidate(kind, onnx, metrics))
    for one in fairly(found, data, held_out, lambda _: None):
        assert one.unseen == {"images": 13, "auc": 1.0, "recall": 1.0, "false_alarms": 0.0}
        assert one.merit == (1.0, 1.0)
        assert one.for_manifest == one.unseen
        assert one.figures["unseen"] == one.unseen
    assert fairly(found, data, held_out[:9], lambda _: None) == found
    assert found[0].merit == (0.9, 0.8)


def trained_images(folder: Path) -> set[bytes]:
    """Some of both classes that trained the champion, by the marks of its weights."""
    onnx = folder / "champion" / "steelnet_s.onnx"
    known = trained_on(onnx, hashlib.sha256(onnx.read_bytes()).hexdigest())
    found = set[bytes]()
    for name in CLASSES:
        own = [hashlib.sha256(file.read_bytes()).digest() for file in sorted((folder / "known" / name).iterdir())]
        found |= {one for one, is_known in zip(own, among(known, own), strict=True) if is_known}
    return found
