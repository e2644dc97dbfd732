"""One image of the page Images: the picture, the reasons for its class, its place, and images like it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import streamlit as st

from dashboard import formats, frame, links
from dashboard.app_pages import image_grid, image_steps, region_parts
from dashboard.charts import images as charts_images
from dashboard.data import engines, images, sources
from dashboard.data.images import Counts, Wanted
from dashboard.formats import plain
from dashboard.media import boxes, pictures
from steelflow.archive.fetch import ImageRef
from steelflow.images.decode import Grey
from steelflow.records import Failure
from steelflow.report.neighbours import LOOKED, neighbours
from steelflow.report.reader import ReportReader
from steelflow.schema import QUALITY

_NEAR = 8
_QUALITY = {
    "brightness": ("Brightness", "{:.0f}", "mean grey level, 0 to 255"),
    "contrast": ("Contrast", "{:.1f}", "standard deviation of the grey level"),
    "sharpness": ("Sharpness", "{:,.1f}", "mean squared difference of neighbouring pixels"),
    "saturation": ("Overexposed", "{:.1%}", "share of pixels at 250 or above"),
}


def show(wanted: Wanted, counts: Counts, image: ImageRef, line: str | None) -> None:
    row = row_of(wanted.night, line, image)
    if row is None:
        image_steps.back()
        frame.empty(
            "The report of this night has no such image", "The night was inspected again, or the address is old."
        )
        return
    data = pictures.full(image)
    image_steps.show(wanted, counts, row, image, data)
    picture = pictures.grey(data, image)
    found = frame_regions(wanted.night, row, image)
    if found is not None:
        with_regions(row, picture, found)
    left, middle, right = st.columns((1.1, 1, 0.8), gap="medium")
    with left:
        if found is None:
            seen(row, picture)
        else:
            listed(found)
    with middle:
        judged(row)
    with right:
        place(wanted.night, row, image)
    alike(wanted.night, row)


@st.cache_data(ttl=sources.STALE, max_entries=32, show_spinner="Reading the report …")
def row_of(night: dt.date, line: str | None, image: ImageRef) -> dict[str, Any] | None:
    return images.one(ReportReader(sources.report()), night, line, image)


def frame_regions(night: dt.date, row: dict[str, Any], image: ImageRef) -> pl.DataFrame | None:
    """The regions of a frame that was judged in views; None for an image that was judged as a whole."""
    if row.get("regions") is None:
        return None
    return sources.regions_of(night, row["line"], image)


@frame.fragment()
def with_regions(row: dict[str, Any], picture: Grey | Failure, found: pl.DataFrame) -> None:
    """The whole frame, what is beside the strip included, with the boxes of its regions."""
    if isinstance(picture, Failure):
        st.warning(f"This image cannot be shown: {plain(picture)}", icon=":material/broken_image:")
        return
    place = st.empty()
    with st.container(horizontal=True):
        spread = st.toggle("Stretch contrast", key="stretch", persist_state="page")
        marked = st.toggle("Boxes", value=True, key="boxes", persist_state="page")
    rows = list(found.iter_rows(named=True)) if marked else []
    view = pictures.stretched(picture) if spread else picture
    place.image(boxes.with_boxes(view, rows), width="stretch", alt=row["member"] or row["object_key"])


def listed(found: pl.DataFrame) -> None:
    """The regions of a frame, the worst first."""
    st.subheader(f"{formats.count(found.height)} {formats.noun(found.height, 'region')} of defect", anchor=False)
    if found.is_empty():
        st.caption("The model found no defect in this frame.")
        return
    region_parts.table(found, 240, "regions")


@frame.fragment()
def seen(row: dict[str, Any], picture: Grey | Failure) -> None:
    """The image; with the toggle, a heat map of what the model looks at."""
    if isinstance(picture, Failure):
        st.warning(f"This image cannot be shown: {plain(picture)}", icon=":material/broken_image:")
        return
    alt = row["member"] or row["object_key"]
    place = st.empty()
    with st.container(horizontal=True):
        spread = st.toggle(
            "Stretch contrast",
            key="stretch",
            persist_state="page",
            help="For dark images and images with little contrast; also for the next images that you open",
        )
        why = row["status"] == "ok" and st.toggle(
            "Where the model looks",
            key="why",
            help="A grey patch slides over the image. Warm colours: covering this place reduces the class most.",
        )
    view = pictures.stretched(picture) if spread else picture
    if not why:
        place.image(pictures.drawn(view), width="stretch", alt=alt)
        return
    with st.spinner("Asking the model …"):
        engine = engines.engine_of(row["model_digest"])
        if engine is None:
            place.image(pictures.drawn(view), width="stretch", alt=alt)
            st.caption("The model that classified this image is no longer in the registry.")
            return
        found = engines.explained(engine, picture, row["label"])
    place.image(pictures.heated(view, found.drop), width="stretch", alt=alt)
    name = plain(formats.class_name(row["label"]))
    if found.lowest > 0.9 * found.probability:
        st.caption(
            f"No single place decides: with any place covered, {name} keeps at least {formats.share(found.lowest)}."
        )
    else:
        st.caption(
            f"With the warmest place covered, {name} falls from {formats.share(found.probability)} "
            f"to {formats.share(found.lowest)}."
        )


def judged(row: dict[str, Any]) -> None:
    if row["status"] != "ok":
        st.subheader("Unreadable", anchor=False)
        st.text(row["error"])
        return
    st.subheader(plain(formats.class_name(row["label"])), anchor=False)
    values = {name[2:]: value for name, value in row.items() if name.startswith("p_") and value is not None}
    st.altair_chart(charts_images.probabilities(values), alt="Probability of each class")
    if row.get("novelty") is not None:
        new = ":orange-badge[novel]" if row["novel"] else ":green-badge[familiar]"
        by = " by its energy" if row["novel"] and row["novelty"] <= 1 else ""
        st.markdown(
            f"{new}{by}: {row['novelty']:.2f} times the distance limit from the training images, "
            f"energy {row['energy']:.1f}"
        )
    st.caption(f"Margin to the second class {formats.share(row['margin'])}, entropy {row['entropy']:.2f} nats")


def place(night: dt.date, row: dict[str, Any], image: ImageRef) -> None:
    """Where the image comes from, and its quality."""
    st.text(image.member or image.key.rpartition("/")[2])
    where = [f"line {row['line'] or formats.NOTHING}", f"coil {row['coil'] or formats.NOTHING}", formats.night(night)]
    if row["position"] is not None:
        where.append(f"{row['position']:.1f} m")
    if row.get("length") is not None:
        where.append(f"{row['length']:.2f} m of strip")
    where += [f"{name} {row[name]}" for name in ("camera", "side", "frame") if row.get(name) is not None]
    if row["width"] is not None:
        where.append(f"{row['width']} × {row['height']} pixels")
    st.caption(plain(" · ".join(where)))
    if row["coil"] is not None and row["line"] is not None:
        with frame.on_screen("coil"):
            st.page_link(
                links.script("coil"),
                label="The whole coil",
                icon=":material/straighten:",
                query_params=links.of_coil(night, row["line"], row["coil"]),
            )
    if row[QUALITY[0]] is not None:
        with st.grid(2, min_column_width=125, gap="xsmall"):
            for name in QUALITY:
                title, kind, about = _QUALITY[name]
                st.metric(title, kind.format(row[name]), help=about, border=True)
    st.caption(plain(f"Classified by {row['model_name']} {row['model_version']} ({row['model_digest'][:8]})"))


@frame.fragment()
def alike(night: dt.date, row: dict[str, Any]) -> None:
    """The nearest images in embedding space, of the same night and line."""
    if row["status"] != "ok":
        return
    st.subheader("Images that are similar for the model", anchor=False)
    with st.spinner("Comparing …"):
        near = near_of(night, row["line"], images.reference(row))
    if near.is_empty():
        st.caption("None: this is the only readable image of this line and night.")
        return
    rows = [{**one, "line": row["line"], "status": "ok"} for one in near.iter_rows(named=True)]
    image_grid.grid(rows, "near", night)
    same = near.filter(pl.col("label") == row["label"]).height
    st.caption(
        f"{same} of the {near.height} nearest have the same class. Same night and line, by the distance of the "
        f"embeddings. Only the first {formats.count(LOOKED)} images are compared."
    )


@st.cache_data(ttl=sources.STALE, max_entries=32, show_spinner=False)
def near_of(night: dt.date, line: str | None, image: ImageRef) -> pl.DataFrame:
    row = row_of(night, line, image)
    if row is None or row["embedding"] is None:
        return pl.DataFrame()
    of_line = ReportReader(sources.report()).images([night], [line])  # None is a line too
    return neighbours(of_line.filter(~images.is_image(image)), row["embedding"], row["model_digest"], _NEAR)
