"""``steelflow bench`` and ``steelflow bench-frames``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from steelflow.bench.cluster import cluster_table, run_cluster
from steelflow.bench.frames import PLAIN, FrameBench, run_frame_bench
from steelflow.bench.growth import NIGHTS, SIZES, run_growth
from steelflow.bench.run import run_bench
from steelflow.bench.scale import ScaleSpec, run_scale, scale_table
from steelflow.bench.startup import startup as run_startup
from steelflow.cli.bench_tables import compare_lines, growth_table, startup_table
from steelflow.cli.options import EngineOption, Model
from steelflow.cli.output import Json, emit, settings, stderr
from steelflow.cli.selection import command
from steelflow.selection.provenance import machine, provenance, write_result


def bench(  # long: most of it declares the options
    data: Annotated[
        Path | None, typer.Option(help="Folder of images; by default $STEELFLOW_NEU_DIR, else synthetic images.")
    ] = None,
    images: Annotated[int, typer.Option(min=1000, help="Repeat the images up to this number.")] = 10_000,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    s3: Annotated[bool, typer.Option(help="Also measure the embedded S3 server (on the same cores).")] = True,
    compare: Annotated[
        bool, typer.Option(help="Also DataLoader, WebDataset, Daft and Ray Data on the same pictures, where installed.")
    ] = False,
    startup: Annotated[
        bool, typer.Option("--startup", help="Only what a run costs before its first picture, with 1,000 pictures.")
    ] = False,
    scale: Annotated[
        bool, typer.Option("--scale", help="Only time and memory at several sizes, and a year of reports.")
    ] = False,
    size: Annotated[
        list[int] | None, typer.Option("--size", min=1, help="Of --scale, in images; may be repeated.")
    ] = None,
    nights: Annotated[
        list[int] | None, typer.Option("--nights", min=1, help="Of --scale, of reports; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the figures to this JSON file.")] = None,
    scale_out: Annotated[
        bool,
        typer.Option(
            "--scale-out",
            help="Instead: simulate a plant of 100 such machines with 50 million images a night, and a year of it, "
            "from costs measured here.",
        ),
    ] = False,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="ADDRESS",
            help="Instead: the same night in this process and on the nodes of this Ray cluster, all on this machine.",
        ),
    ] = None,
    model: Model = None,
    engine: EngineOption = None,
    as_json: Json = False,
) -> None:
    """Measure images per second: each stage alone, end to end, and the upper bound of this machine."""
    if scale_out:
        with stderr.status("benchmark") as status:
            found = run_scale(settings().with_model(model, engine), ScaleSpec(), lambda text: status.update(text))
        plant = {"kind": "scale", **found, **provenance(command())}
        emit(plant, as_json, scale_table(plant))
        return
    known = os.environ.get("STEELFLOW_NEU_DIR")
    folder = data or (Path(known) if known else None)
    current = settings().with_model(model, engine)
    with stderr.status("benchmark") as status:

        def say(text: str) -> None:
            status.update(text)

        if cluster is not None:
            result, table = run_cluster(current, folder, images, rounds, cluster, say), cluster_table
        elif startup:
            result, table = run_startup(folder, 1000, rounds, say), startup_table
        elif scale:
            result, table = run_growth(current, folder, size or SIZES, nights or NIGHTS, say), growth_table
        else:
            result, table = run_bench(current, folder, images, rounds, s3, compare, say), _table
    result["data"] = f"…/{folder.name}" if folder else "synthetic"  # figures are kept; a machine's path says nothing
    if out:
        write_result(out, {"kind": "speed", **result, **provenance(command()), "machine": machine()})
    emit(result, as_json, table(result))


def bench_frames(
    width: Annotated[int, typer.Option(min=256, help="Pixels across the strip.")] = 1600,
    height: Annotated[int, typer.Option(min=32, help="Pixels along the strip.")] = 256,
    frames: Annotated[int, typer.Option(min=1, help="In each round.")] = 1000,
    rounds: Annotated[int, typer.Option(min=1)] = 5,
    memory: Annotated[bool, typer.Option(help="Also measure the peak at 1,000 and 50,000 frames.")] = True,
    view: Annotated[
        int | None, typer.Option(min=32, max=4096, help="Side of a view in pixels; by default as in the settings.")
    ] = None,
    overlap: Annotated[
        float | None, typer.Option(min=0, max=0.75, help="Of views, as a share; by default as in the settings.")
    ] = None,
    model: Model = "strip",
    engine: EngineOption = None,
    out: Annotated[Path | None, typer.Option(help="Also write the figures to this JSON file.")] = None,
    as_json: Json = False,
) -> None:
    """Measure megapixels per second on synthetic frames: each stage alone, end to end, and the peak of memory."""
    what = FrameBench(width, height, frames, rounds, FrameBench().memory if memory else ())
    current = settings().with_model(model, engine)
    given = {name: value for name, value in (("view", view), ("overlap", overlap)) if value is not None}
    frame = (current.frame or PLAIN).model_copy(update=given)
    with stderr.status("benchmark") as status:
        result = run_frame_bench(current.model_copy(update={"frame": frame}), what, lambda text: status.update(text))
    result = {"kind": "frames-speed", **result, **provenance(command())}
    if out:
        write_result(out, result)
    emit(result, as_json, frame_table(result))


def frame_table(result: dict[str, Any]) -> str:
    """The figures of ``bench-frames`` for people, as a table in Markdown."""
    size, views = result["frames"], result["views"]
    rates, shares = result["megapixels_per_second"], result["share_of_bound"]
    lines = [
        f"{result['machine']}, {result['workers']} workers; {result['model']['name']} on {result['model']['engine']}, "
        f"batch {result['batch_size']}",
        f"{size['count']:,} frames of {size['width']}×{size['height']} ({size['bytes'] / 1000:,.0f} kB), "
        f"{views['per_frame']} views of {views['side']}, {result['view_pixels_per_pixel']:.2f} view pixels per pixel",
        f"medians of {result['rounds']} rounds, megapixels per second",
        "",
        f"| {'stage':<19} | by the clock | of bound | per core, processor time | of bound |",
        f"|{'-' * 21}|-------------:|---------:|-------------------------:|---------:|",
    ]
    for name, rate in rates.items():
        share = [f"{shares[name][kind]:.2f}" if name in shares else "" for kind in ("wall", "core")]
        lines.append(f"| {name:<19} | {rate['wall']:>12.1f} | {share[0]:>8} | {rate['core']:>24.1f} | {share[1]:>8} |")
    for kind, peaks in result.get("peak_mib", {}).items():
        said = ", ".join(f"{mib:,.0f} MiB at {int(count):,} frames" for count, mib in peaks.items())
        lines.append(f"{'' if kind != 'tar files' else chr(10)}peak memory, {kind}: {said}")
    return "\n".join(lines)


def _table(result: dict[str, Any]) -> str:
    machine, model = result["machine"], result["model"]
    lines = [
        f"{machine['cpu']}, {machine['workers']} workers; "
        f"{model['name']} at {model['input_size']}×{model['input_size']} on {model['engine']}, "
        f"batch {result['batch_size']}; {result['images']:,} images, medians, images/s",
        "",
        f"| {'source':<12} | fetch only | decode only | infer only |  bound | end to end | of bound |",
        f"|{'-' * 14}|-----------:|------------:|-----------:|-------:|-----------:|---------:|",
    ]
    for name, row in result["sources"].items():
        lines.append(
            f"| {name:<12} | {row['fetch']:>10,.0f} | {result['decode']:>11,.0f} | {result['infer']:>10,.0f} "
            f"| {result['bound']:>6,.0f} | {row['end_to_end']:>10,.0f} | {row['ratio']:>8.2f} |"
        )
    memory = dict(result["peak_mib"])
    ratio = memory.pop("ratio")
    lines += ["", "peak memory: " + ", ".join(f"{mib:,.0f} MiB at {int(n):,} images" for n, mib in memory.items())]
    lines[-1] += f" (ratio {ratio:.3f})"
    if "prefect_share" in result:
        lines.append(f"Prefect: {result['prefect_share']:.1%} of the flow's wall time")
    if "compare" in result:
        lines += ["", *compare_lines(result["compare"])]
    return "\n".join(lines)
