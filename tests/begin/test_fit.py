"""A model of good strip from pictures without labels: it tells planted defects from good strip, and says where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sheets import SIDE, brushed, crack, hole

from steelflow.begin.fit import Fitted, fit
from steelflow.begin.measure import auc, judge
from steelflow.begin.views import Views
from steelflow.begin.write import export
from steelflow.engine import open_engine
from steelflow.errors import DataError
from steelflow.models.decision import is_defect
from steelflow.models.pooling import pooled

STEPS = 60
FALSE_ALARMS = 0.05


def night(count: int = 240, defective: int = 8) -> Views:
    """Views of ten coils, a few of them defective."""
    rng = np.random.default_rng(1)
    pictures = [brushed(rng) for _ in range(count)]
    for i in range(defective):
        pictures[5 * i] = hole(pictures[5 * i], 40, 50)
    return Views(np.stack(pictures), np.arange(count) % 10, SIDE)


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return fit(night(), false_alarms=FALSE_ALARMS, steps=STEPS, seed=0)


@pytest.fixture(scope="module")
def exported(fitted: Fitted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "begin.onnx"
    export(fitted, path, night(20, 2).pictures)
    return path


def fresh(count: int = 40) -> np.ndarray:
    rng = np.random.default_rng(7)
    return np.stack([brushed(rng) for _ in range(count)])


def test_defects_are_told_from_good_strip(fitted: Fitted) -> None:
    rng = np.random.default_rng(9)
    good = judge(fitted, fresh())
    holes = judge(fitted, np.stack([hole(brushed(rng), *rng.integers(15, 80, 2)) for _ in range(20)]))
    cracks = judge(fitted, np.stack([crack(brushed(rng), int(rng.integers(20, 75)), rng) for _ in range(20)]))
    for defects in (holes, cracks):
        scores = np.concatenate([good, defects])
        assert auc(scores, np.arange(len(scores)) >= len(good)) > 0.97
        assert (defects > 0).mean() > 0.9
    assert (good > 0).mean() <= 5 * FALSE_ALARMS  # the threshold is from 48 views


def test_the_map_shows_where(exported: Path) -> None:
    engine = open_engine(exported, "onnxruntime")
    rng = np.random.default_rng(3)
    places = rng.integers(16, 80, (20, 2))
    cells = engine.run(np.stack([hole(brushed(rng), *place) for place in places])[:, None]).map
    assert cells is not None
    side = SIDE // cells.shape[-1]
    highest = [np.unravel_index(one.argmax(), one.shape) for one in cells[:, 1]]
    apart = np.linalg.norm((np.array(highest) + 0.5) * side - places, axis=1)
    assert (apart < 16).mean() >= 0.9


def test_the_file_holds_what_every_engine_needs(fitted: Fitted, exported: Path) -> None:
    engine = open_engine(exported, "onnxruntime")
    spec = engine.spec
    assert (spec.classes, spec.good, spec.view) == (("good", "unknown defect"), ("good",), SIDE)
    outputs = engine.run(fresh(5)[:, None])
    assert outputs.map is not None
    assert spec.sharpness is not None
    logits = pooled(outputs.map, [0], spec.sharpness)
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], judge(fitted, fresh(5)), atol=1e-3)
    odds = np.log(outputs.probabilities[:, 1] / outputs.probabilities[:, 0])
    np.testing.assert_allclose(odds, logits[:, 1], atol=1e-3)
    assert is_defect(outputs.probabilities, spec).tolist() == (logits[:, 1] > 0).tolist()
    assert engine.novelty is not None


def test_defects_that_look_alike_have_like_embeddings(exported: Path) -> None:
    engine = open_engine(exported, "onnxruntime")
    rng = np.random.default_rng(5)
    pictures = [hole(brushed(rng), 48, 48) for _ in range(8)] + [crack(brushed(rng), 48, rng) for _ in range(8)]
    embedding = engine.run(np.stack(pictures)[:, None]).embedding
    apart = np.linalg.norm(embedding[:, None] - embedding[None], axis=2)
    nearest = (apart + np.diag(np.full(16, np.inf))).argmin(1)
    assert ((nearest < 8) == (np.arange(16) < 8)).mean() > 0.8


def test_the_same_views_and_seed_give_the_same_model() -> None:
    few = night(40, 2)
    first, second = (fit(few, steps=2, seed=3) for _ in range(2))
    np.testing.assert_array_equal(judge(first, few.pictures), judge(second, few.pictures))
    assert first.spec == second.spec


@pytest.mark.parametrize(("groups", "by_group"), [(10, True), (2, False)])
def test_the_threshold_is_from_other_coils_where_there_are_some(groups: int, by_group: bool) -> None:
    views = night(48, 2)
    found = fit(Views(views.pictures, np.arange(48) % groups, None), steps=1)
    assert found.by_group is by_group
    assert found.trained + found.held_out == 48
    assert found.left_out == round(0.05 * found.trained)
    assert found.spec.view is None


def test_too_few_views_are_refused() -> None:
    with pytest.raises(DataError, match="at least 40"):
        fit(night(30, 2))
