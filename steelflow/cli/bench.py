"""``steelflow bench``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from steelflow.bench.run import run_bench
from steelflow.cli.inspection import EngineOption, Model
from steelflow.cli.output import Json, emit, settings, stderr


def bench(
    data: Annotated[
        Path | None, typer.Option(help="Folder of images; by default $STEELFLOW_NEU_DIR, else synthetic images.")
    ] = None,
    images: Annotated[int, typer.Option(min=1000, help="Repeat the images up to this number.")] = 10_000,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    s3: Annotated[bool, typer.Option(help="Also measure the embedded S3 server (on the same cores).")] = True,
    compare: Annotated[bool, typer.Option(help="Also measure PyTorch's DataLoader on the same files.")] = False,
    model: Model = None,
    engine: EngineOption = None,
    as_json: Json = False,
) -> None:
    """Measure images per second: each stage alone, end to end, and the upper bound of this machine."""
    known = os.environ.get("STEELFLOW_NEU_DIR")
    folder = data or (Path(known) if known else None)
    with stderr.status("benchmark") as status:
        result = run_bench(
            settings().with_model(model, engine), folder, images, rounds, s3, compare, lambda text: status.update(text)
        )
    result["data"] = str(folder) if folder else "synthetic"
    emit(result, as_json, _table(result))


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
    if "dataloader" in result:
        rate, setting = result["dataloader"]["images_per_second"], result["dataloader"]["setting"]
        ours = result["sources"]["loose files"]["end_to_end"]
        lines.append(
            f"PyTorch DataLoader, loose files, best of 4 settings ({setting}): {rate:,.0f}; ours is {ours / rate:.1f}×"
        )
    return "\n".join(lines)
