"""Images: single images of a night, and the reasons for their class."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Literal

import polars as pl
import streamlit as st

from dashboard import address, formats, frame, links
from dashboard.app_pages import region_parts
from dashboard.charts import images as charts_images
from dashboard.data import engines, images, sources
from dashboard.data.images import Counts, Wanted
from dashboard.formats import plain
from dashboard.media import boxes, pictures, thumbnails
from steelflow.archive.fetch import ImageRef
from steelflow.images.decode import Grey
from steelflow.records import Failure
from steelflow.report.neighbours import LOOKED, neighbours
from steelflow.report.reader import ReportReader
from steelflow.schema import QUALITY

_PAGE = 24
_COLUMNS = 8
_NEAR = 8
_ALL = "all"
_STATUS: dict[str, Literal["ok", "failed"] | None] = {_ALL: None, "readable": "ok", "unreadable": "failed"}
_HERE = ("object", "member", "ordinal", "of")  # parameters of the address: the image that is shown large
_QUALITY = {
    "brightness": ("Brightness", "{:.0f}", "mean grey level, 0 to 255"),
    "contrast": ("Contrast", "{:.1f}", "standard deviation of the grey level"),
    "sharpness": ("Sharpness", "{:,.1f}", "mean squared difference of neighbouring pixels"),
    "saturation": ("Overexposed", "{:.1%}", "share of pixels at 250 or above"),
}


def show() -> None:
    frame.heading("Images", "single images, and the reasons for their class")
    nights = sources.nights()
    if not nights:
        frame.empty("No night was inspected yet", "Run `steelflow nightly` to inspect the last night.")
        return
    wanted = choice(nights)
    counts = counted(wanted)
    here = shown(counts)
    if here is not None:
        large(wanted, *here)
        return
    gallery(wanted, counts)


def choice(nights: list[dt.date]) -> Wanted:
    """The filters. All of them are in the address."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        names = [night.isoformat() for night in reversed(nights)]
        night = dt.date.fromisoformat(address.choose("Night", "night", names, names[0], 140))
        summary = sources.summary(night)
        lines = [_ALL, *sorted(summary["line"].drop_nulls().unique())]
        line = address.choose("Line", "line", lines, _ALL, 110, every=_ALL)
        of_line = summary if line == _ALL else summary.filter(pl.col("line") == line)
        coils = [_ALL, *sorted(of_line["coil"].drop_nulls().unique())]
        coil = address.choose("Coil", "coil", coils, _ALL, every=_ALL)
        address.write(night=night.isoformat(), line=None if line == _ALL else line, coil=None if coil == _ALL else coil)
        status = st.selectbox("Status", list(_STATUS), key="status", bind="query-params", width=130)
        order = st.selectbox("Order", images.ORDERS, key="order", bind="query-params", width=140)
        low, high = st.slider(
            "Confidence", 0, 100, (0, 100), format="%d %%", key="confidence", bind="query-params", width=190
        )
    classes = sorted(summary["label"].drop_nulls().unique())
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        labels = st.pills(
            "Class",
            classes,
            selection_mode="multi",
            key="label",
            bind="query-params",
            label_visibility="collapsed",
            format_func=lambda name: plain(formats.class_name(name)),
        )
        novel = st.toggle("Novel only", key="novel", bind="query-params", help="Unlike the training images")
    return Wanted(
        night,
        None if line == _ALL else line,
        None if coil == _ALL else coil,
        tuple(labels),
        _STATUS[status],
        novel,
        low / 100,
        high / 100,
        order,
    )


@st.cache_data(ttl=sources.STALE, max_entries=32, show_spinner="Counting images …")
def counted(wanted: Wanted) -> Counts:
    return images.count(ReportReader(sources.report()), sources.summary(wanted.night), wanted)


@st.cache_data(ttl=sources.STALE, max_entries=32, show_spinner=False)
def rows_of(wanted: Wanted, counts: Counts, offset: int, most: int) -> pl.DataFrame:
    return images.page(ReportReader(sources.report()), wanted, counts, offset, most)


def gallery(wanted: Wanted, counts: Counts) -> None:
    total = sum(counts.values())
    if not total:
        frame.empty("No image matches", "Remove a filter, or choose another night.")
        return
    pages = -(-total // _PAGE)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        legend = " · :material/fiber_new: unlike the training images"
        st.caption(f"**{formats.count(total)}** images{legend}", width="content")
        page = min(st.pagination(pages, key="page", bind="query-params"), pages) if pages > 1 else 1
    rows = rows_of(wanted, counts, (page - 1) * _PAGE, _PAGE)
    grid(list(rows.iter_rows(named=True)), "look", wanted.night)


def grid(rows: list[dict[str, Any]], key: str, night: dt.date) -> None:
    """Thumbnails, each with a button below. Both show the image large."""
    references = [images.reference(row) for row in rows]
    with st.spinner("Fetching images …"):
        found = thumbnails.kept().get(references)
    with st.grid(_COLUMNS, min_column_width=96, gap="xsmall"):
        for number, (row, reference) in enumerate(zip(rows, references, strict=True)):
            with st.container(gap=None):
                picture = found.get(reference, Failure("missing", "no longer in the archive"))
                if isinstance(picture, Failure):
                    st.caption(f":material/broken_image: {plain(picture)[:120]}")
                else:
                    link = links.to("images", links.of_image(night, row))
                    st.image(picture, width="stretch", alt=reference.member or reference.key, link=link)
                st.button(
                    caption(row),
                    key=f"{key}-{number}",
                    type="tertiary",
                    on_click=frame.guarded(go),
                    args=(reference, row["line"]),
                    help=plain(reference.member or reference.key),
                )


def caption(row: Mapping[str, Any]) -> str:
    if row["status"] != "ok":
        return f"unreadable: {plain(str(row['error']).partition(':')[0])}"
    mark = ":material/fiber_new: " if row.get("novel") else ""
    return f"{mark}{plain(formats.class_name(row['label']))} **{formats.share(row['confidence'], 0)}**"


def go(image: ImageRef | None, line: str | None = None) -> None:
    """Show an image large; with None, show the gallery again."""
    for name in _HERE:
        st.query_params.pop(name, None)
    if image is not None:
        st.query_params["object"] = image.key
        st.query_params["ordinal"] = str(image.ordinal)
        if image.member is not None:
            st.query_params["member"] = image.member
        if line is not None:
            st.query_params["of"] = line


def shown(counts: Counts) -> tuple[ImageRef, str | None] | None:
    """The image that the address names, and its line."""
    asked = st.query_params
    if "object" not in asked:
        return None
    ordinal = asked.get("ordinal", "0")
    number = int(ordinal) if ordinal.isdecimal() and len(ordinal) < 10 else 0
    line = asked.get("of")
    if line is None and len(counts) == 1:
        line = next(iter(counts))
    return ImageRef(asked["object"], asked.get("member"), number), line


def large(wanted: Wanted, image: ImageRef, line: str | None) -> None:
    st.button(
        "Back to the gallery",
        icon=":material/arrow_back:",
        type="tertiary",
        shortcut="Esc",
        on_click=frame.guarded(go),
        args=(None,),
    )
    row = row_of(wanted.night, line, image)
    if row is None:
        frame.empty(
            "The report of this night has no such image", "The night was inspected again, or the address is old."
        )
        return
    data = pictures.full(image)
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
    st.subheader(f"{formats.count(found.height)} regions of defect" if found.height != 1 else "1 region", anchor=False)
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
        st.page_link(
            "app_pages/coil.py",
            label="The whole coil",
            icon=":material/straighten:",
            query_params={"night": night.isoformat(), "line": row["line"], "coil": row["coil"]},
        )
    if row[QUALITY[0]] is not None:
        with st.grid(2, min_column_width=90, gap="xsmall"):
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
    grid(rows, "near", night)
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


show()
