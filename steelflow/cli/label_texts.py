"""What ``steelflow labels`` prints."""

from __future__ import annotations

from typing import Any

import polars as pl


def queue_text(rows: pl.DataFrame) -> str:
    if rows.is_empty():
        return "the queue is empty: every image of these nights has a label"
    lines = [f"{'reason':<10} {'cluster':<9} {'model says':<22} {'conf.':>5}  image"]
    for row in rows.iter_rows(named=True):
        cluster = f"{row['cluster']} of {row['cluster_size']}" if row["cluster"] else ""
        place = row["object_key"] + (f" : {row['member']}" if row["member"] else "")
        lines.append(f"{row['reason']:<10} {cluster:<9} {row['label']:<22} {row['confidence']:>5.2f}  {place}")
    return "\n".join(lines)


def regions_text(rows: pl.DataFrame) -> str:
    lines = [f"{'group':<9} {'model says':<22} {'score':>5}  {'box':<22} image"]
    for row in rows.iter_rows(named=True):
        group = f"{row['group']} of {row['group_size']}" if row["group"] else ""
        box = f"{row['width']}×{row['height']} at {row['x']}, {row['y']}"
        place = row["object_key"] + (f" : {row['member']}" if row["member"] else "")
        lines.append(f"{group:<9} {row['label']:<22} {row['score']:>5.2f}  {box:<22} {place}")
    return "\n".join(lines)


def stats_text(result: dict[str, Any]) -> str:
    lines = [
        f"{result['images']:,} labelled images, {result['said']:,} labels in all, {result['withdrawn']:,} withdrawn"
    ]
    lines += ["", f"{'class':<24} {'training':>9} {'evaluation':>11} {'golden':>7}"]
    lines += [
        f"{name:<24} {parts['training']:>9,} {parts['evaluation']:>11,} {parts['golden']:>7,}"
        for name, parts in result["classes"].items()
    ]
    if retired := result["retired"]:
        lines += ["", f"retired: {', '.join(retired)} (`steelflow labels restore` brings a class back)"]
    if regions := result["regions"]:
        lines += ["", "regions by class: " + ", ".join(f"{name} {count:,}" for name, count in regions.items())]
    for title in ("who", "source"):
        lines += ["", f"by {title}: " + ", ".join(f"{name} {count:,}" for name, count in result[title].items())]
    lines += ["", "labels by day (UTC):", *(f"  {day} {count:>7,}" for day, count in list(result["days"].items())[-7:])]
    lines += ["", f"conflicts: {result['conflicts']:,} images, {result['disputed']:,} disputed between people"]
    lines += _second_text(result["second_reader"])
    chosen = result["golden"]
    lines.append(
        f"golden set: {chosen['hash'][:12]}, {chosen['images']:,} images" if chosen else "golden set: none yet"
    )
    if "since" in result:
        since = result["since"]
        lines.append(f"new since the snapshot {since['snapshot'][:12]}: {since['images']:,} images")
    return "\n".join(lines)


def _second_text(found: dict[str, Any]) -> list[str]:
    """How far the second readers agree with the first ones, by class."""
    if not found["images"]:
        return ["second reader: no image was labelled twice yet"]
    lines = [
        f"second reader: {found['images']:,} images, {found['agreement']:.1%} with the same label, "
        f"kappa {_kappa(found['kappa'])}"
    ]
    for name, one in found["classes"].items():
        lines.append(f"  {name:<22} {one['images']:>7,} images {one['agreement']:>7.1%}  kappa {_kappa(one['kappa'])}")
    return lines


def _kappa(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def retired_text(retired: dict[str, int]) -> str:
    if not retired:
        return ""
    names = ", ".join(f"{name} {count:,}" for name, count in retired.items())
    return f"\nlabels of retired classes are left out: {names}; `steelflow labels restore` brings a class back"
