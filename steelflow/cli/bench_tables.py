"""The figures of ``steelflow bench`` for people, as tables in Markdown."""

from __future__ import annotations

from typing import Any


def compare_lines(found: list[dict[str, Any]]) -> list[str]:
    """Programs on the same pictures; ``ours is`` is the median of the rounds' ratios."""
    lines = [
        f"| {'program':<11} | {'source':<11} | images/s | ours is | processor µs/image | peak MiB |",
        f"|{'-' * 13}|{'-' * 13}|---------:|--------:|-------------------:|---------:|",
    ]
    for one in sorted(found, key=lambda row: row["source"]):
        start = f"| {one['program']:<11} | {one['source']:<11} |"
        if "error" in one:
            lines.append(f"{start} did not run: {one['error'][:80]} |")
            continue
        lines.append(
            f"{start} {one['images_per_second']:>8,.0f} | {one['ratio']:>6.2f}× "
            f"| {one['cpu_microseconds_per_image']:>18,.0f} | {one['peak_mib']:>8,.0f} |"
        )
    return lines


def startup_table(result: dict[str, Any]) -> str:
    lines = [
        f"medians of {result['rounds']} rounds, each step in a process of its own",
        "",
        f"| {'step':<18} | by the clock, s | processor time, s |",
        f"|{'-' * 20}|----------------:|------------------:|",
    ]
    steps = {**result["steps"], "beyond interpreter": result["beyond_interpreter"]}
    lines += [f"| {name:<18} | {one['wall']:>15.2f} | {one['cpu']:>17.2f} |" for name, one in steps.items()]
    return "\n".join(lines)


def growth_table(result: dict[str, Any]) -> str:
    lines = [
        f"| {'source':<6} | {'images':>9} | by the clock, s | processor time, s | again, s | peak MiB |",
        "|--------|----------:|----------------:|------------------:|---------:|---------:|",
    ]
    lines += [
        f"| {one['source']:<6} | {one['images']:>9,} | {one['wall']:>15.1f} | {one['cpu']:>17.1f} "
        f"| {one['again']:>8.1f} | {one['peak_mib']:>8,.0f} |"
        for one in result["runs"]
    ]
    for source, exponent in result["exponents"].items():
        lines.append(f"{source}: processor time grows with images to the power of {exponent:.2f}")
    lines += ["", f"| {'nights':>6} | plan a night, s | open Tonight, s | drift, s | housekeeping, s |"]
    lines += ["|-------:|----------------:|----------------:|---------:|----------------:|"]
    for one in result["years"]:
        lines.append(
            f"| {one['nights']:>6} | {one['plan']:>15.2f} | {one['tonight']:>15.2f} | {one['drift']:>8.2f} "
            f"| {one['housekeeping']:>15.2f} |"
        )
    return "\n".join(lines)
