"""What two versions of a model differ in: figures, classes, data and parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
import streamlit as st

from dashboard import formats, frame
from dashboard.app_pages import model_one
from dashboard.data import versions as of_versions
from dashboard.formats import plain
from steelflow.registry import Version

_WRITTEN = {
    of_versions.FIGURES["auc"]: ("{:.4f}".format, "{:+.4f}".format),
    of_versions.FIGURES["ece"]: ("{:.4f}".format, "{:+.4f}".format),
    of_versions.FIGURES["speed"]: ("{:.2f}\u2009×".format, "{:+.2f}".format),
}
"""How a figure and its change are written, where it is no share."""
_SHARES = {"precision": "precision", "recall": "recall", "f1": "F1"}


@frame.fragment()
def show(versions: Sequence[Version], champion: str | None) -> None:
    """Two selectors, and the four tables."""
    if len(versions) < 2:
        st.caption("There is one version only: nothing to compare.")
        return
    names = [version.version for version in reversed(versions)]
    newest = names[0]
    before = champion if champion is not None and champion != newest and champion in names else names[1]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        old = _version(versions, st.selectbox("Version", names, names.index(before), key="old-version", width=130))
        new = _version(versions, st.selectbox("against", names, 0, key="new-version", width=130))
    if old.version == new.version:
        st.caption("These are the same version.")
        return
    records = of_versions.metrics_of(old.version), of_versions.metrics_of(new.version)
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Figures", anchor=False)
        figures = written(of_versions.figures(old, new), old, new)
        st.dataframe(figures, hide_index=True, row_height=28, key="diff-figures", placeholder=formats.NOTHING)
        st.subheader("Labelled images", anchor=False)
        _data(old, new)
    with right:
        st.subheader("Classes, on the images that each held out", anchor=False)
        _classes(of_versions.by_class(*records), old, new)
        st.subheader("Parameters that differ", anchor=False)
        changed, alone = of_versions.parameters(*records), of_versions.of_one(*records)
        if not changed.is_empty():
            _table(changed, old, new, "diff-parameters", None)
        if not all(records):
            st.caption("One has no training record.")
        elif alone:
            st.caption(f"Not compared, because only one of them recorded it: {plain(', '.join(alone))}.")
        elif changed.is_empty():
            st.caption("None: both were trained in the same way.")
    if old.data_hash != new.data_hash:
        st.caption("Accuracies on held-out images are of different images. Those on the golden set can be compared.")


def _version(versions: Sequence[Version], name: str) -> Version:
    return next(version for version in versions if version.version == name)


def _table(rows: pl.DataFrame, old: Version, new: Version, key: str, kind: str | None) -> None:
    named = rows.rename({"old": old.version, "new": new.version})
    number = st.column_config.NumberColumn(format=kind) if kind else None
    st.dataframe(
        named,
        hide_index=True,
        row_height=28,
        key=key,
        placeholder=formats.NOTHING,
        column_config=dict.fromkeys((old.version, new.version, "change"), number) if number else None,
    )


def written(rows: pl.DataFrame, old: Version, new: Version) -> list[dict[str, str | None]]:
    """The rows of ``versions.figures`` as texts: shares in percent, and their change in points."""
    shown: list[dict[str, str | None]] = []
    for row in rows.iter_rows(named=True):
        value, change = _WRITTEN.get(row["figure"], (_share, formats.points))
        texts = {old.version: (value, "old"), new.version: (value, "new"), "change": (change, "change")}
        sides = {name: None if row[of] is None else write(row[of]) for name, (write, of) in texts.items()}
        shown.append({"figure": row["figure"], **sides})
    return shown


def _share(value: float) -> str:
    return formats.share(value, 2)


def _classes(rows: pl.DataFrame, old: Version, new: Version) -> None:
    if rows.is_empty():
        st.caption("Neither version has figures by class.")
        return
    sides = (("old", old.version), ("new", new.version))
    shown: list[dict[str, Any]] = [
        {"class": formats.class_name(row["class"])}
        | {
            f"{words} {word}": formats.percent(row[f"{name}_{side}"])
            for name, words in _SHARES.items()
            for side, word in sides
        }
        | {"recall, change": formats.percent(row["change"])}
        for row in rows.iter_rows(named=True)
    ]
    share = st.column_config.NumberColumn(format="%.1f")
    st.dataframe(
        shown,
        hide_index=True,
        row_height=28,
        key="diff-classes",
        placeholder=formats.NOTHING,
        column_config={name: share for name in shown[0] if name != "class"},
    )
    st.caption("In percent; the change is in points.")


def _data(old: Version, new: Version) -> None:
    if old.data_hash is not None and old.data_hash == new.data_hash:
        st.caption(f"The same data, {plain(old.data_hash[:12])}.")
        return
    before, after = model_one.snapshot_of(old.data_hash), model_one.snapshot_of(new.data_hash)
    if before is None and after is None:
        st.caption("The label store has no snapshot of either: they were not trained on its labels.")
        return
    for version, found in ((old, before), (new, after)):
        if found is None:
            st.caption(f"{version.version} was not trained on labels of this store.")
    rows = of_versions.data(before, after)
    named = rows.with_columns(pl.col("class").map_elements(formats.class_name, pl.String))
    _table(named, old, new, "diff-data", "localized")
