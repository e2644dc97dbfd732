"""``steelflow synth``: make a synthetic plant."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from steelflow.cli.output import Json, counting, emit
from steelflow.errors import ConfigError
from steelflow.synth import CLASSES, TEMPLATE, Camera, PlantSpec, line_names, write_plant
from steelflow.synth.folders import write_file
from steelflow.synth.sheet import contact_sheet


def synth(
    out: Annotated[
        Path, typer.Argument(help="New folder for OUT/images, OUT/labelled, OUT/truth.csv and OUT/classes.jpg.")
    ],
    lines: Annotated[int, typer.Option(min=1)] = 2,
    nights: Annotated[int, typer.Option(min=1)] = 3,
    start: Annotated[dt.datetime, typer.Option(formats=["%Y-%m-%d"], help="First night.")] = dt.datetime(2026, 11, 1),
    coils: Annotated[int, typer.Option(min=1, help="Coils per line and night.")] = 6,
    images: Annotated[int, typer.Option(min=1, help="Images per coil.")] = 50,
    labelled: Annotated[int, typer.Option(min=0, help="Labelled images per class.")] = 100,
    sharded: Annotated[
        float, typer.Option(min=0, max=1, help="Share of coils stored as tar, tar.gz or zip shards.")
    ] = 0.5,
    broken: Annotated[int, typer.Option(min=0, help="Broken files per line and night.")] = 3,
    mix: Annotated[list[str] | None, typer.Option(help="CLASS=WEIGHT; may be repeated.")] = None,
    gain: Annotated[float, typer.Option(min=0, help="Brightness factor of the lamps.")] = 1.0,
    gradient: Annotated[float, typer.Option(min=0, max=1, help="Uneven light.")] = 0.0,
    noise_db: Annotated[float | None, typer.Option(help="Signal-to-noise ratio of the camera in dB.")] = None,
    blur: Annotated[int, typer.Option(min=0, help="Motion blur in pixels.")] = 0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Generate sample images of a synthetic plant: six classes of steel surfaces, by line, night and coil."""
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        raise ConfigError(f"{out}: exists and is not empty; name a new folder")
    camera = Camera(gain=gain, gradient=gradient, noise_db=noise_db, blur=blur)
    spec = PlantSpec(
        seed=seed,
        lines=line_names(lines),
        start=start.date(),
        nights=nights,
        coils=coils,
        images=images,
        sharded=sharded,
        broken=broken,
        mix=_mix(mix or []),
        camera=camera,
    )
    with counting("photographing") as tick:

        def put(key: str, data: bytes) -> None:
            write_file(out / key, data)
            tick(1)

        made = write_plant(spec, put, labelled)
        put("classes.jpg", contact_sheet(camera, seed))
    result = {"out": str(out), "images": made.images, "broken": made.broken, "objects": made.objects}
    result |= {"labelled": made.labelled, "bytes": made.bytes, "template": TEMPLATE}
    text = (
        f"{made.images:,} images and {made.broken} broken files in {made.objects:,} objects, "
        f"{made.labelled:,} labelled\n"
        f"archive: {out / 'images'}\nlabelled: {out / 'labelled'}\ntruth: {out / 'truth.csv'}\n"
        f"sample pictures, one row per class: {out / 'classes.jpg'}\n"
        f'to read time and position of each image, set archive.template = "{TEMPLATE}"'
    )
    emit(result, as_json, text)


def _mix(given: list[str]) -> dict[str, float]:
    weights = dict.fromkeys(CLASSES, 1.0)
    for item in given:
        name, _, weight = item.partition("=")
        try:
            weights[name] = float(weight)
        except ValueError:
            raise ConfigError(f"--mix {item!r}: write CLASS=WEIGHT, such as scratches=3") from None
    return weights
