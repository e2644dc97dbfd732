"""One image back or on within the filters: against the order of all pages together; and names of downloads."""

from __future__ import annotations

import datetime as dt
import re

import numpy as np
import polars as pl
import pytest
from judged import night as put_night

from dashboard.data import images, steps
from dashboard.data.images import Wanted
from dashboard.media import originals
from steelflow.archive.fetch import ImageRef
from steelflow.report.reader import ReportReader
from steelflow.store.local import LocalStore

NIGHT = dt.date(2026, 11, 1)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> ReportReader:
    root = tmp_path_factory.mktemp("reports")
    rng = np.random.default_rng(1)
    for line, count in {"L1": 9, "L2": 1, "L3": 7}.items():
        probabilities = np.round(rng.dirichlet((1, 1, 1), count), 1).astype(np.float32)  # with ties
        novel = rng.random(count) < 0.4
        put_night(root, probabilities, rng.normal(size=(count, 8)), novel, line=line, prefix=line, old=line == "L3")
    return ReportReader(LocalStore(root))


@pytest.mark.parametrize("order", images.ORDERS)
@pytest.mark.parametrize(
    "chosen", [{}, {"line": "L1"}, {"novel": True}, {"labels": ("a", "c")}, {"low": 0.5}], ids=lambda one: str(one)
)
def test_steps_walk_through_all_that_the_filters_choose(
    reader: ReportReader, order: images.Order, chosen: dict[str, object]
) -> None:
    wanted = Wanted(NIGHT, order=order, **chosen)  # type: ignore[arg-type]  # the parameters are data
    rows = reader.images([NIGHT]).collect()
    summary = rows.group_by("line", "coil", "status", "label").agg(pl.len().alias("images"))
    counts = images.count(reader, summary, wanted)
    every = list(images.page(reader, wanted, counts, 0, 100).iter_rows(named=True))
    assert every
    for number, row in enumerate(every):
        found = steps.around(reader, wanted, counts, row["line"], images.reference(row))
        assert found is not None
        assert found.place == number + 1
        assert found.before == (every[number - 1] if number else None)
        assert found.after == (every[number + 1] if number + 1 < len(every) else None)
    left_out = {images.reference(row) for row in rows.iter_rows(named=True)} - {images.reference(r) for r in every}
    for image in left_out:
        assert steps.around(reader, wanted, counts, image.key[:2], image) is None


JPEG, PNG, TIFF = b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"II*\0"


@pytest.mark.parametrize(
    ("image", "data", "name", "kind"),
    [
        (ImageRef("a/b/one.jpg", None, 0), JPEG, "one.jpg", "image/jpeg"),
        (ImageRef("a/b/one.JPEG", None, 0), JPEG, "one.jpeg", "image/jpeg"),
        (ImageRef("a/shard.tar", "in/two.png", 5), PNG, "two.png", "image/png"),
        (ImageRef("a/pages.tiff", None, 3), TIFF, "pages_3.tiff", "image/tiff"),
        (ImageRef("a/one.html", None, 0), JPEG, "one.jpg", "image/jpeg"),
        (ImageRef("a/page.html", None, 0), b"<html><script>", "page.bin", "application/octet-stream"),
        (ImageRef("a/..\\..\\x<y>.jpg", None, 0), JPEG, "x_y.jpg", "image/jpeg"),
        (ImageRef('a/"; rm -rf ~\r\n.jpg', None, 0), JPEG, "rm_-rf.jpg", "image/jpeg"),
        (ImageRef("a/.jpg", None, 0), JPEG, "jpg.jpg", "image/jpeg"),
        (ImageRef("a/CON.bmp", None, 0), b"BM..", "image_CON.bmp", "image/bmp"),
        (ImageRef("a/" + "x" * 900 + ".png", None, 0), PNG, "x" * 120 + ".png", "image/png"),
        (ImageRef("a/Stück.webp", None, 0), b"RIFF....WEBP", "St_ck.webp", "image/webp"),
    ],
)
def test_a_download_has_a_safe_name_and_the_type_of_its_bytes(
    image: ImageRef, data: bytes, name: str, kind: str
) -> None:
    assert originals.name_of(image, data) == name
    assert originals.type_of(data) == kind
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name)
