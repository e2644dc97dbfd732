"""Review of frames: one region of defect after the other, and boxes that a person draws."""

from __future__ import annotations

import base64
from collections.abc import Callable

import streamlit as st

from dashboard import formats, frame
from dashboard.auth import access, labelling, standing
from dashboard.auth.actions import Said
from dashboard.auth.labelling import Review, Row
from dashboard.charts import drawing
from dashboard.data import images, regions, sources
from dashboard.data.regions import Box
from dashboard.formats import plain
from dashboard.media import boxes, pictures
from steelflow.images.decode import Grey
from steelflow.labels.boxes import BOX, Verdict
from steelflow.records import Failure

_CROP = 300  # pixels
_WIDE = 900  # pixels of a frame to label or to draw on
_FIRST = 64  # pixels of the side of a new box
_NAMES = dict(zip(BOX, ("Left", "Top", "Width", "Height"), strict=True))


def shown(row: Row, picture: Grey) -> None:
    """The frame with the region and a crop of it; without a region, the frame with all of its regions."""
    found = regions.box(row)
    rows = [row] if found else _all_of(row)
    st.image(boxes.with_boxes(picture, rows, _WIDE), width="stretch", alt=f"The frame to label: {row['object_key']}")
    if found:
        st.image(boxes.cropped(picture, found, row["label"], _CROP), width=_CROP, alt="The region to label")
        st.caption(plain(f"{regions.size(row)}, score {row['score']:.2f}" + _group(row)))
    else:
        found_here = f"The model found {len(rows)} {formats.noun(len(rows), 'region')} of defect in this frame."
        st.caption(found_here if rows else "No region of defect.")


def keys(review: Review, row: Row, classes: list[str], may: bool) -> list[str]:
    """The keys that only frames have. Returns the classes that a region can be given; none without a region."""
    good, place = labelling.good_class(row), review.place
    is_region = regions.box(row) is not None
    with st.grid(2, min_column_width=150, gap="xsmall"):
        if is_region:
            st.button(
                f"Confirm: {plain(formats.class_name(row['label']))}",
                key=f"confirm-{place}",
                icon=":material/check:",
                shortcut="y",
                type="primary",
                width="stretch",
                disabled=not may,
                on_click=_said,
                args=(review, review.step, row["label"], classes, "confirmed"),
            )
        st.button(
            "No defect" if is_region else "The frame is good",
            key=f"good-{place}",
            icon=":material/thumb_up:",
            shortcut="g",
            type="secondary" if is_region else "primary",
            width="stretch",
            disabled=not may,
            on_click=_said,
            args=(review, review.step, good, classes, "good"),
        )
        if is_region and labelling.key_of(row) not in review.second:  # a second reader is asked about the region
            st.button(
                "The whole frame is good",
                key=f"whole-{place}",
                icon=":material/select_all:",
                shortcut="w",
                width="stretch",
                disabled=not may,
                on_click=_said,
                args=(review, review.step, good, classes, "good", True),
            )
        st.button(
            "Draw a box",
            key=f"draw-{place}",
            icon=":material/crop_free:",
            shortcut="d",
            width="stretch",
            disabled=not may,
            on_click=begin,
            args=(review, review.step),
            help="For a defect that the model did not find, or whose box is wrong",
        )
    if not is_region:
        return []
    st.caption("Or another class:")
    return [name for name in classes if name not in (good, *sources.good_classes(row["date"]))]


def say(review: Review, step: int, name: str, classes: list[str], how: Verdict, whole: bool = False) -> None:
    actor, row = access.actor(), review.row
    if row is None or not review.strike(step):
        return
    if standing.is_known(labelling.labels(), review, row, "" if actor is None else actor.name):
        review.note = "Somebody else has labelled that place meanwhile. Your key did nothing."
        return
    data = _bytes(row)
    if actor is not None and data is not None:
        store = labelling.labels()
        review.say(actor, store, data, name, classes, name not in classes, how, whole)


def _grey(row: Row) -> Grey | Failure:
    image = images.reference(row)
    return pictures.grey(pictures.full(image), image)


def begin(review: Review, step: int) -> None:
    """Start with the box of the region, or one in the middle of the frame."""
    row = review.row
    if not review.strike(step):
        return
    picture = None if row is None else _grey(row)
    if row is None or picture is None or isinstance(picture, Failure):
        return
    height, width = picture.shape
    side = min(_FIRST, height, width)
    found = regions.box(row) or ((width - side) // 2, (height - side) // 2, side, side)
    _set(found)
    review.draw_a_box(True)


def draw(review: Review, row: Row, classes: list[str]) -> None:
    """The form for a box: by pointer in the frame, or by numbers."""
    picture = _grey(row)
    if isinstance(picture, Failure):
        st.warning(f"This image cannot be shown. {plain(picture)}", icon=":material/broken_image:")
        return
    height, width = picture.shape
    view = pictures.stretched(picture) if review.stretch else picture
    now = _now(width, height)
    _set((now["x"], now["y"], now["width"], now["height"]))  # on a phone the pointer can leave the frame
    shown = boxes.with_boxes(view, [{**now, "label": "your box", "score": None}], _WIDE)
    url = f"data:image/jpeg;base64,{base64.b64encode(shown).decode()}"
    st.caption("Drag over the defect with the pointer, or change the numbers. Pixels of the frame.")
    chart = drawing.frame(url, width, height, _WIDE)
    key = f"pointer-{review.place}"
    with st.container(width=_WIDE):  # on a phone, as wide as the screen
        st.altair_chart(chart, width="stretch", key=key, on_select=_pointed, selection_mode="box", theme=None)
    left, right = st.columns((2, 1), gap="large")
    with left:
        with st.grid(4, min_column_width=90, gap="xsmall"):
            for name, most in zip(BOX, (width - 1, height - 1, width, height), strict=True):
                least = 0 if name in ("x", "y") else 1
                st.number_input(_NAMES[name], least, max(least, most), key=f"box-{name}", step=1)
        good = sources.good_classes(row["date"])
        names = [name for name in classes if name not in good and name != labelling.good_class(row)]
        first = names.index(row["label"]) if row["label"] in names else 0
        st.selectbox("Class", names, index=first, key="box-class", format_func=formats.class_name)
        with st.container(horizontal=True):
            st.button(
                "Save the box",
                key="save-box",
                type="primary",
                shortcut="Ctrl+Enter",
                on_click=_drawn,
                args=(review, review.step, classes, width, height),
            )
            st.button("Cancel", key="leave-box", shortcut="Esc", on_click=_leave, args=(review, review.step))
    with right:
        found = regions.box(_now(width, height))
        if found:
            st.image(boxes.cropped(view, found, "your box"), alt="The box, larger")


def after(row: Row, said: Said) -> None:
    """What was said of the region or frame before."""
    name = plain(formats.class_name(said.label))
    told = {
        "confirmed": f":green-badge[confirmed] **{name}**",
        "relabelled": f":orange-badge[relabelled] The model said {plain(formats.class_name(row['label']))}, "
        f"you say **{name}**",
        "good": ":blue-badge[good] The region is no defect" if said.box else ":blue-badge[good] The frame is good",
        "drawn": f":violet-badge[drawn] A box with **{name}**",
    }
    with st.container(border=True, key="after"):
        st.markdown(told.get(said.verdict or "", f"You said **{name}**"))
    if said.before is not None and said.before != said.label and not said.second:
        before, by = plain(formats.class_name(said.before)), plain(said.by)
        st.caption(f"{by} labelled the same place {before}. Your label counts now; both are kept.")


def _leave(review: Review, step: int) -> None:
    if review.strike(step):
        review.draw_a_box(False)


def save(review: Review, step: int, classes: list[str], width: int, height: int) -> None:
    actor, row = access.actor(), review.row
    if not review.strike(step):
        return
    data, found = _bytes(row), regions.box(_now(width, height))
    name = st.session_state.get("box-class")
    if actor is not None and data is not None and found is not None and name is not None:
        review.draw(actor, labelling.labels(), data, name, classes, found)


_said: Callable[[Review, int, str, list[str], Verdict, bool], None] = frame.guarded(say)
_drawn: Callable[[Review, int, list[str], int, int], None] = frame.guarded(save)


def _bytes(row: Row | None) -> bytes | None:
    if row is None:
        return None
    data = pictures.full(images.reference(row))
    if isinstance(data, Failure):
        st.error(f"The image is no longer in the archive and cannot be labelled: {plain(data)}")
        return None
    return data


def _all_of(row: Row) -> list[Row]:
    found = sources.regions_of(row["date"], row["line"], images.reference(row))
    return list(found.iter_rows(named=True))


def _group(row: Row) -> str:
    return "" if row.get("cluster") is None else f", one of {row['cluster_size']} that look alike"


def _now(width: int, height: int) -> dict[str, int]:
    """The box of the form, within the frame."""
    x, y, wide, tall = (int(st.session_state.get(f"box-{name}", 1)) for name in BOX)
    x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
    return {"x": x, "y": y, "width": min(max(wide, 1), width - x), "height": min(max(tall, 1), height - y)}


def _set(found: Box) -> None:
    for name, value in zip(BOX, found, strict=True):
        st.session_state[f"box-{name}"] = value


def _pointed() -> None:
    """Take the box that was dragged with the pointer."""
    for key, value in st.session_state.items():
        if not str(key).startswith("pointer-"):
            continue
        found = drawing.selected(value)
        if found is not None:
            _set(found)
