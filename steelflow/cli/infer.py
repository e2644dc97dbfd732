"""``steelflow infer``."""

from __future__ import annotations

from typing import Annotated

import typer

from steelflow.api.reports import inspect
from steelflow.cli.inspected import complain_of_units, ignored, judged_whole, lines, noted, regions, sidecars
from steelflow.cli.options import Address, EngineOption, ExecutorOption, Model, settings_with
from steelflow.cli.output import Json, counting, emit


def infer(
    source: Annotated[str, typer.Argument(help="A folder, a tar or zip, or s3://bucket/prefix.")],
    out: Annotated[str, typer.Option("--out", help="Destination of the report: a folder or s3://bucket/prefix.")],
    model: Model = None,
    engine: EngineOption = None,
    executor: ExecutorOption = None,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Classify every image of SOURCE and write a Parquet report."""
    with counting("inspecting") as tick:
        result = inspect(
            source, out=out, model=model, engine=engine, settings=settings_with(executor, address), progress=tick
        )
    text = (
        f"{result.images:,} images: {result.ok:,} ok, {result.failed:,} failed"
        f"{ignored(', ', result.ignored, result.ignored_sample)}{regions(result.regions, result.severities)}\n"
        f"{result.judged:,} judged in {result.seconds:.1f} s ({result.images_per_second:,.0f} images/s) "
        f"by {result.model} on {result.engine}\n"
        f"{lines(result.defects.text)}"
        f"report: {len(result.files)} file{'s' if len(result.files) != 1 else ''} in {out}"
        f"{noted(result.notes)}"
    )
    emit(result.to_dict(), as_json, text + sidecars(result) + judged_whole(result.judged_whole))
    complain_of_units(result.failed_units)
