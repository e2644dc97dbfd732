"""The map of a coil, its regions of defect, and the marks that repeat on it."""

from __future__ import annotations

import datetime as dt
import math

import polars as pl
import streamlit as st

from dashboard import formats, frame, links
from dashboard.app_pages import coil_along, region_parts
from dashboard.charts import coil as charts_coil
from dashboard.charts import coil_map as charts_map
from dashboard.data import coil_map, regions, sources, strips
from dashboard.data.lanes import MISSING, UNREADABLE
from dashboard.formats import plain
from steelflow.strip.rolls import DIRT
from steelflow.strip.severity import ranks

_CROPS = 16
_SHORT = 20.0  # metres: with less, decimetres are shown


@frame.fragment()
def of_coil(rows: pl.DataFrame, found: pl.DataFrame, marks: pl.DataFrame, night: dt.date, line: str) -> None:
    """A coil of frames: a map of its regions, length by width of the strip; crops of the regions; a list of them."""
    coil = rows["coil"][0]
    st.subheader("Map", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        kept = regions.chosen(found, _classes(found))
        whole = _map(rows, kept, marks, line)
        stretch = _stretch(whole, f"{night} {line} {coil}")
    made = whole if stretch is None else _map(rows, kept, marks, line, stretch)
    st.caption(_told(made, rows))
    with frame.on_screen("map"):
        st.caption("A click opens the picture; Shift and the wheel zoom, a double click shows all.")
    with st.container(key="map"):
        state = st.altair_chart(
            charts_map.coil_map(made, st.context.theme.type == "dark"),
            alt="Map of the coil: regions of defect along and across the strip",
            on_select="rerun",
            selection_mode="pick",
            key=f"map-{night}-{line}-{coil}-{stretch}",
        )
    mark, numbers = links.picked(state), coil_map.targets(made)
    if mark is not None and mark["pick"] < len(numbers) and (number := numbers[int(mark["pick"])]) is not None:
        image = made.images.row(number, named=True)
        st.switch_page(links.script("images"), query_params=links.of_image(night, image, line))
    if kept.height:
        crops, listed = st.tabs(["Pictures", "List"], key="shown", bind="query-params")
        with crops:
            region_parts.gallery(regions.largest_first(kept), _CROPS, "regions")
        with listed:
            region_parts.table(kept.sort("along", "object_key", "region", nulls_last=True), 320, "regions")


def _classes(found: pl.DataFrame) -> list[str]:
    """The classes that are chosen, of those on the coil; none means all."""
    labels = sorted(found["label"].unique())
    if len(labels) < 2:
        return []
    return st.pills(
        "Class of regions",
        labels,
        selection_mode="multi",
        key="region-class",
        label_visibility="collapsed",
        format_func=lambda label: plain(formats.class_name(label)),
    )


def _map(
    rows: pl.DataFrame,
    found: pl.DataFrame,
    marks: pl.DataFrame,
    line: str,
    stretch: tuple[float, float] | None = None,
) -> coil_map.CoilMap:
    settings = sources.settings()
    of_line = None if settings.frame is None else settings.frame.of(line)
    return coil_map.coil_map(rows, found, marks, ranks(settings.severity), of_line, settings.marks, stretch)


def _stretch(made: coil_map.CoilMap, key: str) -> tuple[float, float] | None:
    """The part of the coil that is chosen; None for all of it."""
    low, high = math.floor(made.low), math.ceil(made.high)
    if high - low < 2:
        return None
    what = "Metres from the head" if made.metres else "Images"
    first, last = st.slider(what, low, high, (low, high), key=f"map {key}", width=420)
    return None if (first, last) == (low, high) or first == last else (float(first), float(last))


def _told(made: coil_map.CoilMap, rows: pl.DataFrame) -> str:
    """What is drawn, and what is not."""
    drawn = made.regions.height
    number, noun = formats.count(made.total), formats.noun(made.total, "region")
    parts = [f"**{number}** {noun}" if drawn == made.total else f"**{formats.count(drawn)} of {number}** regions drawn"]
    if drawn < made.total:
        parts[0] += ", the most severe ones: choose a part of the coil to see all of it"
    for what, word in ((MISSING, "without an image"), (UNREADABLE, "unreadable")):
        holes = made.holes.filter(what=what)
        if holes.height:
            length = float((holes["end"] - holes["start"]).sum())
            size = f"{length:,.1f} m" if made.metres else f"{length:,.0f} {formats.noun(length, 'image')}"
            parts.append(f"{size} {word}, all cameras together")
    if made.unplaced:
        parts.append(f"{formats.count(made.unplaced)} images have no position and are not on the map")
    if not made.metres:
        parts.append("the archive's keys have no position (see `archive.template`), so images are shown in order")
    digits = 0 if made.high - made.low >= _SHORT else 1
    where = f"From {made.low:,.{digits}f} to {made.high:,.{digits}f} m{coil_along.since(rows)}: " if made.metres else ""
    return f"{where}{'; '.join(parts)}."


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
