"""The figures that a version was registered with, and where its training images came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
import streamlit as st

from dashboard import formats, frame
from dashboard.auth import labelling
from dashboard.charts import models as charts_models
from dashboard.data import versions as of_versions
from dashboard.formats import percent, plain
from steelflow.registry import Version
from steelflow.registry.version import CARD, CURVES

_FEW = 10  # rows without scrolling


@frame.fragment()
def one(version: Version) -> None:
    """The figures that a version was registered with."""
    metrics = of_versions.metrics_of(version.version)
    held_out = metrics.get("held_out")
    left, right = st.columns((1, 1), gap="medium")
    with left:
        of_views = version.view is not None
        st.subheader(f"{version.version}: {'defects found' if of_views else 'confusion matrix'}", anchor=False)
        if isinstance(held_out, dict) and held_out.get("confusion_matrix"):
            st.altair_chart(
                charts_models.confusion(held_out["classes"], held_out["confusion_matrix"]), alt="Confusion matrix"
            )
            st.caption(
                f"{formats.count(held_out.get('images'))} images that were not used for training; "
                f"macro F1 {formats.share(held_out.get('macro_f1'), 2)}"
            )
        elif isinstance(held_out, dict) and held_out.get("recall_by_class"):
            found(held_out)
        else:
            st.caption("This version was registered without a confusion matrix.")
    with right:
        st.subheader("Learning curves", anchor=False)
        charts = charts_models.learning(metrics.get("curves") or {})
        for chart in charts:
            st.altair_chart(chart, alt="Learning curve")
        if charts and not any((metrics.get("curves") or {}).get("validation_loss") or ()):
            st.caption("It was trained without a validation part, so only its training loss is known.")
        if not charts and CURVES in version.files:
            st.image(of_versions.file_of(version.version, CURVES), alt="Learning curves")
        elif not charts:
            st.caption("This version was registered without learning curves.")
        if isinstance(held_out, dict) and held_out.get("per_class"):
            classes(held_out["per_class"])
    origin(version, metrics)
    if CARD in version.files:
        with st.expander("Model card"):
            st.text(of_versions.file_of(version.version, CARD).decode("utf-8", "replace"))


def found(held_out: Mapping[str, Any]) -> None:
    """Of a model of views: the share of the defects that it finds at its operating point, by class."""
    rows = [
        {"class": formats.class_name(name), "found": percent(share)}
        for name, share in held_out["recall_by_class"].items()
    ]
    share = st.column_config.NumberColumn(format="%.1f %%")
    st.dataframe(rows, hide_index=True, row_height=28, key="found-by-class", column_config={"found": share})
    told = [f"{formats.count(held_out.get('defects'))} defective and {formats.count(held_out.get('good'))} good frames"]
    told.append("that were not used for training")
    if held_out.get("false_alarms") is not None:
        told.append(f"; {formats.share(held_out['false_alarms'], 2)} of the good ones raise a false alarm")
    if held_out.get("auc") is not None:
        told.append(f"; AUC {held_out['auc']:.4f}")
    st.caption(" ".join(told[:2]) + "".join(told[2:]))


def classes(of_class: dict[str, dict[str, Any]]) -> None:
    share = st.column_config.NumberColumn
    st.dataframe(
        [
            {
                "class": formats.class_name(name),
                "images": figures.get("support"),
                "precision": percent(figures.get("precision")),
                "recall": percent(figures.get("recall")),
                "F1": percent(figures.get("f1")),
            }
            for name, figures in of_class.items()
        ],
        hide_index=True,
        row_height=28,
        key="per-class",
        column_config={name: share(format="%.1f %%") for name in ("precision", "recall", "F1")},
    )


def origin(version: Version, metrics: Mapping[str, Any]) -> None:
    """Where the training images came from."""
    st.subheader("Where its training images came from", anchor=False)
    told = []
    if isinstance(counts := metrics.get("images"), dict):
        told.append(", ".join(f"{formats.count(number)} {name.replace('_', ' ')}" for name, number in counts.items()))
    if about := metrics.get("about"):
        told.append(plain(about))
    if split := metrics.get("split"):
        told.append(f"Held out: {plain(split)}.")
    labelled = snapshot_of(version.data_hash)
    if told:
        st.caption("  \n".join(told))
    if labelled is None:
        data = f" Its data has the hash {version.data_hash[:12]}." if version.data_hash else ""
        st.caption(
            f"The label store has no snapshot of these images: they came from a folder, or with steelflow.{data}"
        )
        return
    rows = of_versions.origin(labelled)
    left, right = st.columns((2, 1), gap="medium")
    left.dataframe(rows, hide_index=True, row_height=28, height="auto" if rows.height <= _FEW else 300, key="origin")
    of_line = rows.group_by("line").agg(pl.col("images", "training").sum()).sort("line")
    right.dataframe(of_line, hide_index=True, row_height=28, key="origin-lines")
    number = formats.count(labelled["image"].n_unique())
    st.caption(f"{number} labelled images, snapshot {(version.data_hash or '')[:12]}.")


@st.cache_data(max_entries=4, show_spinner=False)
def snapshot_of(digest: str | None) -> pl.DataFrame | None:
    """The labels that a version was trained on, by their hash; None if the label store does not have them."""
    found = labelling.labels().read_snapshot(digest)
    return None if found is None else found.frame
