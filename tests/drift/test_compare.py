"""One night beside its reference: what each signal reaches, and from where on it counts."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from nights import night_rows
from scipy import stats

from steelflow.drift.compare import LineReference
from steelflow.drift.reading import Reading
from steelflow.drift.signals import SIGNALS, fixed_thresholds

FIXED = fixed_thresholds({})
IMAGES = 3000


ROWS = night_rows(IMAGES, coils=0)
"""Without coils: so many images wander by little, and the fixed thresholds decide."""


@pytest.fixture(scope="module")
def reference() -> LineReference:
    return LineReference(ROWS)


def readings(reference: LineReference, night: pl.DataFrame) -> dict[str, Reading]:
    return {one.signal: one for one in reference.compare("L1", night, FIXED, severe=2)}


def moved(rows: pl.DataFrame, signal: str, by: float) -> pl.DataFrame:
    """The same rows with one figure moved: the signal's value must become ``by``."""
    first = pl.int_range(pl.len()) < round(by * IMAGES)
    if signal in ("brightness", "saturation", "energy"):
        floor = {"brightness": 4.0, "saturation": 0.02, "energy": 0.25}[signal]
        return rows.with_columns(pl.col(signal) + by * max(float(rows[signal].to_numpy().std()), floor))
    if signal in ("contrast", "sharpness"):
        spread = float(np.log1p(rows[signal].to_numpy()).std())
        return rows.with_columns((pl.col(signal).log1p() - by * spread).exp() - 1)
    if signal == "confidence":
        return rows.with_columns(pl.col("confidence") - by)
    if signal == "novel":
        rows = rows.sort("novel")  # those that are not yet novel come first
        return rows.with_columns(novel=pl.col("novel") | first)
    if signal == "class_share":
        rows = rows.sort("label", descending=True)  # scratches come first
        return rows.with_columns(label=pl.when(first).then(pl.lit("crazing")).otherwise("label"))
    if signal == "embedding":
        vectors = np.array(rows["embedding"].to_list())
        vectors[:, 0] += np.sqrt(by * vectors.var(0).sum())
        return rows.with_columns(embedding=pl.Series(vectors.tolist(), dtype=rows["embedding"].dtype))
    raise AssertionError(f"{signal}: say in moved() how it rises")


ALONE = [name for name in SIGNALS if name not in ("unfamiliar", "class_mix")]


@pytest.mark.parametrize("signal", ALONE)
def test_a_signal_breaches_just_above_its_threshold_and_not_just_below(reference: LineReference, signal: str) -> None:
    limit = FIXED[signal]
    for share, breach, severe in ((0.97, False, False), (1.03, True, False), (2.03, True, True)):
        found = readings(reference, moved(ROWS, signal, share * limit))[signal]
        assert found.value == pytest.approx(share * limit, rel=0.01)
        assert (found.threshold, found.breach, found.severe) == (limit, breach, severe)


def test_the_fixed_thresholds_are_those_that_were_measured() -> None:
    """docs/results/drift.json has what nights without drift and nights with it reach."""
    measured = {
        "brightness": 0.5,
        "contrast": 0.5,
        "sharpness": 0.5,
        "saturation": 0.6,
        "unfamiliar": 0.035,
        "class_share": 0.14,
        "class_mix": 0.25,
        "confidence": 0.04,
        "energy": 0.6,
        "novel": 0.12,
        "embedding": 0.15,
    }
    assert measured.items() <= FIXED.items()


def test_the_same_night_again_moves_nothing(reference: LineReference) -> None:
    found = readings(reference, ROWS)
    assert set(found) == set(SIGNALS)
    assert {name: one.value for name, one in found.items()} == pytest.approx(dict.fromkeys(found, 0.0), abs=1e-6)


@pytest.mark.parametrize("share", [0.03, 0.06])
def test_strange_images_count_one_by_one(reference: LineReference, share: float) -> None:
    strange = pl.int_range(pl.len()) < share * IMAGES
    looks = {"brightness": 250.0, "contrast": 1.0, "sharpness": 9000.0}
    night = ROWS.with_columns(**{name: pl.when(strange).then(value).otherwise(name) for name, value in looks.items()})
    found = readings(reference, night)["unfamiliar"]
    assert found.value == pytest.approx(
        0.98 * share, abs=0.002
    )  # of the images that they replace 2 % were strange, too
    assert found.breach == (share > FIXED["unfamiliar"])


def test_the_mix_of_classes_is_their_population_stability_index(reference: LineReference) -> None:
    shares = {"crazing": 0.6, "patches": 0.25, "scratches": 0.15}
    labels = [name for name, share in shares.items() for _ in range(round(share * IMAGES))]
    found = readings(reference, ROWS.with_columns(label=pl.Series(labels)))["class_mix"]
    before = dict(ROWS["label"].value_counts(normalize=True).iter_rows())
    expected = sum((now - before[name]) * np.log(now / before[name]) for name, now in shares.items())
    assert found.value == pytest.approx(expected, rel=0.02)
    assert "crazing from 3" in found.text


@pytest.mark.parametrize(("coils", "tonight"), [(8, 8), (12, 6)])
def test_where_coils_are_few_the_limit_is_as_wide_as_students(coils: int, tonight: int) -> None:
    """A coil's images are alike, so coils are counted. The mean of a few coils deviates by more than a bootstrap shows:
    the limit is the normal quantile, widened to Student's by the first term of its expansion in 1 / freedom."""

    def rows(count: int) -> pl.DataFrame:
        means = 0.8 + 0.02 * stats.norm.ppf((np.arange(count) + 0.5) / count)
        parts = [night_rows(40, coil, coils=0) for coil in range(count)]
        parts = [
            part.with_columns(coil=pl.lit(f"C{i}"), confidence=pl.lit(float(mean), pl.Float32))
            for i, (part, mean) in enumerate(zip(parts, means, strict=True))
        ]
        return pl.concat(parts)

    reference = rows(coils)
    spread = float(reference.group_by("coil").agg(pl.first("confidence"))["confidence"].to_numpy().std(ddof=1))
    normal = stats.norm.ppf(1 - 0.01 / len(SIGNALS))
    student = normal * (1 + (normal**2 + 1) / (4 * (coils - 1)))
    found = readings(LineReference(reference), rows(tonight))["confidence"]
    assert found.bootstrapped == pytest.approx(student * spread * (1 / coils + 1 / tonight) ** 0.5, rel=0.1)
