"""Versions side by side, distributions and the map of a night: against Polars on the same rows."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged import night as put_night
from nights import DAY, DIGEST, night_rows, put_report

from dashboard.app_pages import model_difference
from dashboard.data import distributions, embedding, gains, versions
from steelflow.registry import Version
from steelflow.report.reader import ReportReader
from steelflow.retrain.gate import Comparison, Gate
from steelflow.retrain.record import Details, RetrainResult
from steelflow.store.local import LocalStore

NIGHT = dt.date(2026, 11, 1)
NOON = dt.datetime(2026, 11, 18, 12, tzinfo=dt.UTC)
SAID = st.dictionaries(st.integers(0, 12).map(str), st.sampled_from("abc"), max_size=12)


def version(name: str, **metrics: float) -> Version:
    return Version(name, "m", "steelnet", ("a",), {}, None, metrics, "0.2.0", NOON, "ann", "because")


def record(**of_class: dict[str, float]) -> dict[str, Any]:
    return {"held_out": {"per_class": of_class}, "recipe": {"epochs": 8, "learning_rate": 0.001}, "seed": 0}


def test_figures_classes_and_parameters_that_differ() -> None:
    found = versions.figures(version("v1", accuracy=0.9, ece=0.02), version("v2", accuracy=0.95, golden_accuracy=0.97))
    assert found.rows() == [
        ("accuracy, golden set", None, 0.97, None),
        ("accuracy, held out", 0.9, 0.95, pytest.approx(0.05)),
        ("calibration error (ECE)", 0.02, None, None),
    ]
    old = record(a={"support": 10, "precision": 0.9, "recall": 0.8, "f1": 0.85})
    new = record(a={"support": 12, "precision": 0.9, "recall": 0.9, "f1": 0.9}, b={"support": 3, "recall": 1.0})
    classes = versions.by_class(old, new)
    assert classes["class"].to_list() == ["a", "b"]
    assert classes["change"].to_list() == [pytest.approx(0.1), None]
    assert classes["support_new"].to_list() == [12, 3]
    new["recipe"] = {"epochs": 30, "learning_rate": 0.001, "patience": 5}
    assert versions.parameters(old, new).rows() == [("recipe.epochs", "8", "30"), ("recipe.patience", None, "5")]
    del old["recipe"]
    assert versions.parameters(old, new).is_empty(), "what one has not recorded is no difference"
    assert "recipe" in versions.of_one(old, new)
    assert versions.by_class({}, {}).is_empty()
    assert versions.parameters({}, {}).is_empty()


def test_figures_are_written_in_percent_and_points() -> None:
    old = version("v1", golden_accuracy=0.8421, ece=0.02)
    new = version("v2", golden_accuracy=0.9, ece=0.0151, speed=5.694)
    rows = model_difference.written(versions.figures(old, new), old, new)
    assert [[(cell or "–").replace("\u2009", " ") for cell in row.values()][1:] for row in rows] == [
        ["84.21 %", "90.00 %", "+5.8 points"],
        ["0.0200", "0.0151", "-0.0049"],
        ["–", "5.69 ×", "–"],
    ]
    assert list(rows[0]) == ["figure", "v1", "v2", "change"]


@given(SAID, SAID)
def test_the_difference_of_two_snapshots(before: dict[str, str], after: dict[str, str]) -> None:
    frames = [
        pl.DataFrame(list(one.items()), {"image": pl.String, "label": pl.String}, orient="row")
        for one in (before, after)
    ]
    found = {row["class"]: row for row in versions.data(*frames).iter_rows(named=True)}
    assert set(found) == {*before.values(), *after.values()}
    for name, row in found.items():
        assert row["old"] == sum(label == name for label in before.values())
        assert row["new"] == sum(label == name for label in after.values())
        assert row["added"] == sum(label == name and image not in before for image, label in after.items())
        assert row["removed"] == sum(label == name and image not in after for image, label in before.items())
        assert row["relabelled"] == sum(
            label == name and before.get(image, name) != name for image, label in after.items()
        )


def test_where_training_images_came_from() -> None:
    rows = [
        ("1", NIGHT, "L1", "review", "ann", "training"),
        ("2", NIGHT, "L1", "review", "ann", "evaluation"),
        ("3", NIGHT + dt.timedelta(days=1), "L2", "review", "ben", "training"),
        ("4", None, None, "import", "ann", "training"),
        ("4", None, None, "import", "ann", "training"),  # two regions of one frame
    ]
    frame = pl.DataFrame(rows, ["image", "date", "line", "source", "who", "part"], orient="row")
    assert versions.origin(frame).rows() == [
        ("2026-11-02", "L2", "review", "ben", 1, 1),
        ("2026-11-01", "L1", "review", "ann", 2, 1),
        ("not from the archive", "", "import", "ann", 1, 1),
    ]


def test_distributions_count_every_image(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, create=True)
    reference, night = night_rows(400, seed=1), night_rows(300, seed=2, light=0.7)
    put_report(store, DAY, "L1", night)
    put_report(store, DAY, "L1", night_rows(50, seed=3, digest="e" * 64), "other")
    figures = distributions.night_figures(ReportReader(store), DAY, "L1", DIGEST)
    assert figures.height == 300
    assert set(distributions.columns()) == set(figures.columns)
    for column in distributions.columns():
        found = distributions.distribution(column, reference, figures)
        shares = found.group_by("side").agg(pl.col("share").sum())
        assert dict(shares.iter_rows()) == {"reference": pytest.approx(1), "night": pytest.approx(1)}
        if column == "label":
            counted = night.group_by("label").agg(share=pl.len() / night.height)
            mine = found.filter(side="night").select("label", "share").sort("label")
            assert mine.rows() == [(name, pytest.approx(share)) for name, share in counted.sort("label").iter_rows()]
            continue
        for row in found.filter(side="night").slice(1, distributions.BINS - 2).iter_rows(named=True):
            within = (night[column].cast(float) >= row["low"]) & (night[column].cast(float) < row["high"])
            assert row["share"] == pytest.approx(within.mean())


@pytest.mark.parametrize(
    ("value", "ends"),
    [(0.0, (0.0, 0.01)), (5e-7, (5e-7, 0.01)), (1.0, (0.99, 1.0)), (128.0, (126.72, 128.0)), (-3.0, (-3.0, -2.97))],
)
def test_values_that_are_all_but_equal_have_an_axis_that_can_be_read(value: float, ends: tuple[float, float]) -> None:
    spread = pl.Series([value, value + 1e-7] * 50)
    found = distributions.distribution(
        "saturation", pl.DataFrame({"saturation": spread}), spread.to_frame("saturation")
    )
    assert (found["low"].min(), found["high"].max()) == pytest.approx(ends, abs=1e-5)
    assert found.group_by("side").agg(pl.col("share").sum())["share"].to_list() == pytest.approx([1.0, 1.0])


def test_distributions_without_figures() -> None:
    bare = night_rows(20).with_columns(energy=pl.lit(None, pl.Float32))
    assert distributions.distribution("energy", bare, night_rows(20)).is_empty()
    assert distributions.distribution("label", bare.clear(), bare).is_empty()


@pytest.fixture
def night(tmp_path: Path) -> ReportReader:
    rng = np.random.default_rng(5)
    for model, count in (("m1", 90), ("m2", 10)):
        probabilities = rng.dirichlet((1, 1, 1), count).astype(np.float32)
        put_night(
            tmp_path, probabilities, rng.normal(size=(count, 8)), rng.random(count) < 0.2, model=model, prefix=model
        )
    return ReportReader(LocalStore(tmp_path))


def test_the_map_shows_images_of_one_model_at_their_principal_components(night: ReportReader) -> None:
    found = embedding.points(night, NIGHT, "L1", 100)
    rows = night.images([NIGHT]).filter(model_digest="m1").collect()
    assert found.height == rows.height == 90
    joined = found.join(rows, on=["object_key", "ordinal"], suffix="_report")
    assert (joined["label"] == joined["label_report"]).all()
    assert (joined["novel"] == joined["novel_report"]).all()
    points = np.array(joined["embedding"].to_list(), float)
    values, vectors = np.linalg.eigh(np.cov(points.T))
    for place, name in ((-1, "x"), (-2, "y")):
        expected = (points - points.mean(0)) @ vectors[:, place]
        assert np.abs(np.corrcoef(expected, joined[name])[0, 1]) == pytest.approx(1)
        assert joined[name].var() == pytest.approx(values[place])
    assert found["explained"][0] == pytest.approx(values[-2:].sum() / values.sum())


def test_the_map_is_bounded_and_always_the_same(night: ReportReader) -> None:
    few = embedding.points(night, NIGHT, "L1", 100, 10)
    assert few.height == 10
    assert few.equals(embedding.points(night, NIGHT, "L1", 100, 10))


@pytest.mark.parametrize("shape", [(1, 8), (5, 1), (2, 8), (6, 2)])
def test_a_projection_of_few_images_or_dimensions(shape: tuple[int, int]) -> None:
    place, explained = embedding.projected(np.random.default_rng(0).normal(size=shape))
    assert place.shape == (shape[0], 2)
    assert np.isfinite(place).all()
    assert 0 <= explained <= 1 + 1e-9


def retraining(number: int, snapshot: str, before: float, after: float, remembered: int = 0) -> RetrainResult:
    compared = Comparison(
        name="golden set",
        images=40,
        champion=before,
        challenger=after,
        low=0,
        high=0,
        classes={},
        remembered=remembered,
    )
    gate = Gate(comparisons=(compared,), speed=1.0, problems=())
    details = Details(gate=gate, snapshot=snapshot)
    at = NOON + dt.timedelta(days=number)
    return RetrainResult(id=str(number), state="promoted", started_at=at, challenger=f"v{number}", details=details)


def test_what_labels_gained_is_of_the_first_retraining_that_knew_them() -> None:
    known = {"s1": {"a"}, "s2": {"a", "b", "c"}, "s3": {"a", "b", "c", "d"}}
    skipped = RetrainResult(id="0", state="skipped", started_at=NOON)
    records = [skipped, retraining(3, "s3", 0.97, 0.98), retraining(2, "s2", 0.9, 0.97), retraining(1, "s1", 0.8, 0.9)]
    found = gains.gain(records, {"b", "c", "x"}, known.__getitem__)
    assert found is not None
    assert (found.version, found.before, found.after, found.used, found.images) == ("v2", 0.9, 0.97, 2, 40)
    assert gains.gain(records, {"x"}, known.__getitem__) is None
    latest = gains.gain(records, (), known.__getitem__)
    assert latest is not None
    assert latest.version == "v3"
    assert gains.gain([skipped], (), known.__getitem__) is None
    flattered = retraining(4, "s3", 1.0, 0.99, remembered=40)  # the champion before it remembered these images
    assert gains.gain([flattered, *records], (), known.__getitem__) == latest


def test_a_model_of_views_has_the_defects_that_it_found_by_class() -> None:
    old = {"held_out": {"recall_by_class": {"hole": 0.5, "scratch": 0.9}}}
    new = {"held_out": {"recall_by_class": {"hole": 0.75}}}
    found = versions.by_class(old, new).select("class", "recall_old", "recall_new", "change", "precision_new")
    assert found.rows() == [("hole", 0.5, 0.75, 0.25, None), ("scratch", 0.9, None, None, None)]
