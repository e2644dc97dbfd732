"""Coil: one coil along its length, and the coils before and after it."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any, cast

import polars as pl
import streamlit as st

from dashboard import address, formats, frame, links
from dashboard.app_pages import coil_parts, model_parts, region_parts, wrong
from dashboard.charts import coil as charts_coil
from dashboard.charts import figures as charts
from dashboard.charts import regions as charts_regions
from dashboard.data import figures, regions, sources, strips
from dashboard.formats import plain
from dashboard.media import thumbnails
from steelflow.archive.fetch import ImageRef
from steelflow.strip.rolls import DIRT

_BESIDE = 4  # coils on each side
_PAGE = 24
_CROPS = 16


def show() -> None:
    frame.heading("Coil", "images along its length, and the neighbouring coils")
    nights = sources.nights()
    if not nights:
        frame.empty("No night was inspected yet", "Run `steelflow nightly` to inspect the last night.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        names = [night.isoformat() for night in reversed(nights)]
        night = dt.date.fromisoformat(address.choose("Night", "night", names, names[0]))
        summary = sources.summary(night).filter(pl.col("coil").is_not_null() & pl.col("line").is_not_null())
        if summary.is_empty():
            address.write(night=night.isoformat())
            frame.empty("No coils in this night", "The keys of the archive have no coil; see `archive.template`.")
            return
        lines = sorted(summary["line"].unique())
        line = address.choose("Line", "line", lines, lines[0])
        order = sorted(summary.filter(pl.col("line") == line)["coil"].unique())
        of_line = summary.filter(pl.col("line") == line)
        worst = figures.coils(of_line, figures.unit_of_coils(of_line))["coil"][0]
        coil = address.choose("Coil", "coil", order, worst, 220)
        address.write(night=night.isoformat(), line=line, coil=coil)
        place = order.index(coil)
        st.button(
            "",
            icon=":material/chevron_left:",
            key="before",
            help="The coil before",
            disabled=place == 0,
            on_click=_go,
            args=(order[max(place - 1, 0)],),
        )
        st.button(
            "",
            icon=":material/chevron_right:",
            key="after",
            help="The coil after",
            disabled=place == len(order) - 1,
            on_click=_go,
            args=(order[min(place + 1, len(order) - 1)],),
        )
    rows = sources.coil(night, line, coil)
    if rows.is_empty():
        frame.empty(
            "The report no longer has images of this coil", "The night was inspected again. Open the page again."
        )
        return
    named = pl.concat_str("model_name", "model_version", separator=" ")
    model_parts.judged_by(rows.select("status", model=named, images=pl.lit(1)))
    here = night, line
    names = order[max(0, place - _BESIDE) : place + _BESIDE + 1]
    segments = strips.segments(sources.positions(night, line, tuple(names)))
    scale = strips.scale(segments)
    along(rows, scale, *here)
    coil_parts.of_coil(night, line, coil)
    numbers(rows, of_line, coil)
    found = sources.regions(night, line).filter(pl.col("coil") == coil)
    of_regions(found, scale)
    repeating(sources.marks(night, line).filter(pl.col("coil") == coil), scale)
    beside(of_line, names, coil, segments, scale)
    images(rows, coil, *here)


def _go(coil: str) -> None:
    st.session_state["coil"] = coil


def numbers(rows: pl.DataFrame, of_line: pl.DataFrame, coil: str) -> None:
    unit = figures.unit_of_coils(of_line)
    ranked = figures.coils(of_line, unit)
    here = ranked.filter(pl.col("coil") == coil).row(0, named=True)
    rank = 1 + ranked["coil"].to_list().index(coil)
    confidence = cast(float | None, rows["confidence"].cast(pl.Float64).mean())  # of a column of numbers
    place = f"rank {rank} of {ranked.height} on the line"
    with st.grid(5, min_column_width=150, gap="small"):
        st.metric(
            "Images",
            formats.count(rows.height),
            f"{here['strip']:,.1f} m of strip" if here["strip"] else None,
            delta_color="off",
            delta_arrow="off",
            border=True,
            height="stretch",
        )
        st.metric("Unreadable", formats.count(here["failed"]), border=True, height="stretch")
        st.metric(
            "Defects" if unit.whole else "Defects by class",
            formats.count(here["defects"]) if unit.whole else place,
            f"{unit.text(here['rate'])} {unit.per}; {place}" if unit.whole else "the model has no good classes",
            delta_color="off",
            delta_arrow="off",
            border=True,
            height="stretch",
        )
        st.metric(
            "Mostly",
            plain(formats.class_name(here["worst"])) if here["worst"] else formats.NOTHING,
            f"{here['of_it']} images",
            delta_color="off",
            delta_arrow="off",
            border=True,
            height="stretch",
        )
        st.metric("Mean confidence", formats.share(confidence), border=True, height="stretch")


def along(rows: pl.DataFrame, scale: tuple[float, float] | None, night: dt.date, line: str) -> None:
    shown, by_position = strips.placed(rows)
    st.subheader("Along its length", anchor=False)
    if by_position:
        st.caption(_told(rows, shown))
    else:
        st.caption("The archive's keys have no position (see `archive.template`). Images are shown in order.")
    file = pl.coalesce("member", "object_key").str.split("/").list.last()
    named = shown.with_columns(file=file)
    state = st.altair_chart(
        charts_coil.strip(named, scale if by_position else None),
        alt="Images along the coil by class",
        on_select="rerun",
        key=f"strip-{night}-{line}-{rows['coil'][0]}",
    )
    mark = links.picked(state)
    if mark is not None and mark["number"] < named.height:
        row = named.row(int(mark["number"]), named=True)
        st.switch_page(links.script("images"), query_params=links.of_image(night, row, line))


def _told(rows: pl.DataFrame, shown: pl.DataFrame) -> str:
    """Which part of the coil has images, and when they were taken."""
    first, last = (f"{shown['place'][end]:,.0f}" for end in (0, -1))
    times = rows["captured_at"].drop_nulls().sort()
    zone = sources.settings().night.timezone
    since = f", taken from {formats.moment(times[0], zone)} on" if times.len() else ""
    left_out = rows.height - shown.height
    rest = f" {formats.count(left_out)} more have no position." if left_out else ""
    return f"Images from {first} to {last} m{since}.{rest}"


@frame.fragment()
def of_regions(found: pl.DataFrame, scale: tuple[float, float] | None) -> None:
    """The regions of defect of a coil: where they lie, crops and a list. Nothing for a coil without any."""
    if found.is_empty():
        return
    st.subheader("Regions of defect", anchor=False)
    labels = sorted(found["label"].unique())
    picked = st.pills(
        "Class of regions",
        labels,
        selection_mode="multi",
        key="region-class",
        label_visibility="collapsed",
        format_func=lambda label: plain(formats.class_name(label)),
    )
    kept = regions.chosen(found, picked)
    placed = kept.drop_nulls("along")
    unplaced = kept.height - placed.height
    told = f"**{formats.count(kept.height)}** regions"
    st.caption(told + (f", {formats.count(unplaced)} of them without a position." if unplaced else ""))
    if placed.height:
        st.altair_chart(charts_regions.along(placed, scale), alt="Regions along and across the coil")
    crops, listed = st.tabs(["Pictures", "List"])
    with crops:
        region_parts.gallery(regions.largest_first(kept), _CROPS, "regions")
    with listed:
        region_parts.table(kept.sort("along", "object_key", "region", nulls_last=True), 320, "regions")


def repeating(marks: pl.DataFrame, scale: tuple[float, float] | None) -> None:
    """The marks that repeat along the coil; nothing if there are none."""
    if marks.is_empty():
        return
    st.subheader("Roll marks", anchor=False)
    st.caption(
        "Defects that repeat along the coil at one place across it, and the roll whose circumference fits. "
        "Marks at one place of every frame are dirt on the camera."
    )
    shown = strips.named_marks(marks)
    st.altair_chart(charts_coil.repeating(shown, scale), alt="Where marks repeat along the coil")
    st.dataframe(
        [
            {
                "roll": plain(row["roll"] or (row["name"] if row["cause"] == DIRT else formats.NOTHING)),
                "period, mm": f"{row['period_mm']:,.1f} ± {row['period_error_mm']:.1f}",
                "off the roll, mm": formats.NOTHING if row["fits_mm"] is None else f"{row['fits_mm']:+.1f}",
                "confidence": "> 99.9 %" if row["confidence"] > 0.999 else formats.share(row["confidence"]),
                "class": plain(formats.class_name(row["label"])),
                "side": row["side"] or formats.NOTHING,
                "across, mm": f"{row['across_mm']:,.0f}",
                "marks": f"{row['count']} of {row['expected']}",
                "from, m": f"{row['first']:,.1f}",
                "to, m": f"{row['last']:,.1f}",
            }
            for row in shown.iter_rows(named=True)
        ],
        hide_index=True,
        key="marks",
    )


def beside(
    of_line: pl.DataFrame, names: list[str], coil: str, segments: pl.DataFrame, scale: tuple[float, float] | None
) -> None:
    st.subheader("Beside its neighbours", anchor=False)
    if scale is None:
        counts = of_line.filter(pl.col("coil").is_in(names)).group_by("coil", "label").agg(pl.col("images").sum())
        chart = charts.neighbours(counts, coil, names)
    else:
        st.caption("Coils at the same positions, with a lane for each class. Stronger colours mean more images.")
        chart = charts_coil.side_by_side(segments, coil, names, scale)
    key = f"beside-{coil}"
    st.altair_chart(
        chart, alt="Images by class of the neighbouring coils", key=key, on_select=_beside, selection_mode="pick"
    )


def _beside() -> None:
    """Go to the neighbour that was clicked."""
    for key in [key for key in st.session_state if str(key).startswith("beside-")]:
        mark = links.picked(st.session_state[key])
        if mark is not None:
            _go(str(mark["coil"]))


@frame.fragment()
def images(rows: pl.DataFrame, coil: str, night: dt.date, line: str) -> None:
    st.subheader("Images", anchor=False)
    labels = sorted(rows["label"].drop_nulls().unique())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        picked = st.pills(
            "Class",
            labels,
            selection_mode="multi",
            key="of",
            label_visibility="collapsed",
            format_func=lambda label: plain(formats.class_name(label)),
        )
        kept = _stretch(rows, coil)
        kept = kept.filter(pl.col("label").is_in(picked)) if picked else kept
        pages = max(1, -(-kept.height // _PAGE))
        page = 1 if pages == 1 else st.pagination(pages, key="page")
    part = kept.slice((page - 1) * _PAGE, _PAGE)
    references, captions, addresses = [], [], []
    for row in part.iter_rows(named=True):
        references.append(ImageRef(row["object_key"], row["member"], row["ordinal"]))
        captions.append(_caption(row))
        addresses.append(links.to("images", links.of_image(night, row, line)))
    shown = [{**row, "date": night, "line": line, "coil": coil} for row in part.iter_rows(named=True)]
    thumbnails.gallery(references, captions, addresses, below=wrong.below(shown, "coil"))


def _stretch(rows: pl.DataFrame, coil: str) -> pl.DataFrame:
    """The images of the selected part of the coil; all images if no part is selected."""
    known = rows["position"].drop_nulls()
    if known.n_unique() < 2:
        return rows
    ends = math.floor(cast(float, known.min())), math.ceil(cast(float, known.max()))
    first, last = st.slider("Metres from the head", *ends, ends, key=f"stretch {coil}", width=420)
    return rows if (first, last) == ends else rows.filter(pl.col("position").is_between(first, last))


def _caption(row: dict[str, Any]) -> str:
    if row["status"] != "ok":
        return "**unreadable**"
    where = f"  \n{row['position']:.1f} m" if row["position"] is not None else ""
    return f"**{plain(formats.class_name(str(row['label'])))}** {formats.share(row['confidence'], 0)}{where}"


show()
