"""A plant's frames: pictures of strip, most of them good, as an archive of JPEGs.

A frame depends only on the specification and on its place: line, date, coil, camera, side and number. So a plant can be
made in parts, or with more lines, nights and coils later; existing frames do not change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from steelflow.synth.camera import photograph
from steelflow.synth.coils import Coil, at, breakages, coils, generator
from steelflow.synth.files import broken, jpeg, packed
from steelflow.synth.frame_spec import FramePlantSpec
from steelflow.synth.layout import Laid, laid, overlap, strip_length
from steelflow.synth.steel import exposed, good_surface
from steelflow.synth.strip import seen_at

Grey = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Frame:
    """One readable frame of the archive. ``member`` is None for a loose object; ``ordinal`` is the place in the shard.

    ``number`` counts the frames of one camera and side from the coil's head. ``position`` is that of its first row, in
    metres from the head; ``length`` is the metres of strip that it shows.
    """

    coil: Coil
    camera: str
    side: str
    number: int
    key: str
    member: str | None
    ordinal: int
    position: float
    length: float


def picture(
    spec: FramePlantSpec, here: Laid, coil: Coil, camera: str, side: str, number: int, without: Collection[str] = ()
) -> Grey:
    """Take one frame.

    Args:
        here: the layout of this side of the coil, ``laid(spec, coil, side)``.
        without: names of defects that are left out (``Placed.defect``), to see what they change.

    Returns:
        uint8 of shape (height, width).
    """
    window = spec.window(camera, number)
    rng = generator(spec.seed, coil.line, coil.date, coil.name, camera, side, number)
    surface = good_surface(here.steel, window, rng)
    for one in here.placed:
        if one.meets(window) and one.defect not in without:
            whole, part = overlap(one, window)
            surface[whole] *= one.blemish.factor[part]
    taken = exposed(here.steel, surface, window, rng)
    return photograph(taken, at(spec.cameras, coil, spec.camera), rng)


def frame_objects(spec: FramePlantSpec) -> Iterator[tuple[str, bytes]]:
    """The archive as (key, bytes); the keys match ``FRAME_TEMPLATE``. Only one coil is in memory at a time."""
    for coil in coils(spec):
        yield from coil_objects(spec, coil)


def coil_objects(spec: FramePlantSpec, coil: Coil) -> Iterator[tuple[str, bytes]]:
    """The objects of one coil as (key, bytes): its loose frames, or its shard."""
    files = _files(spec, coil)
    if coil.shard is None:
        for name, data in files:
            yield coil.address(name)[0], data
    else:
        yield coil.address("")[0], packed(files, coil.shard)


def frames(spec: FramePlantSpec, coil: Coil) -> Iterator[Frame]:
    """The readable frames of a coil, in the order of its files. Fast, because it draws no pictures."""
    again = dict(breakages(spec, coil))
    step, length = spec.metres(spec.height), _length(spec, coil)
    for index, (camera, side, number) in enumerate(_places(spec)):
        position = number * step
        key, member = coil.address(_name(spec, coil, camera, side, number))
        before = sum(image < index for image in again)
        ordinal = 0 if member is None else index + before
        yield Frame(coil, camera, side, number, key, member, ordinal, position, min(step, length - position))


def strip_metres(spec: FramePlantSpec) -> float:
    """Metres of strip in the plant. Strip that several cameras or both sides show counts once."""
    return sum(_length(spec, coil) for coil in coils(spec))


def _length(spec: FramePlantSpec, coil: Coil) -> float:
    return spec.metres(strip_length(spec, coil))


def _places(spec: FramePlantSpec) -> list[tuple[str, str, int]]:
    return [(camera, side, number) for number in range(spec.frames) for camera, side in spec.eyes]


def _files(spec: FramePlantSpec, coil: Coil) -> Iterator[tuple[str, bytes]]:
    """A coil's files. A broken file is a second, failed copy of a frame, behind it."""
    layouts: Mapping[str, Laid] = {side: laid(spec, coil, side) for side in spec.sides}
    again = dict(breakages(spec, coil))
    for index, (camera, side, number) in enumerate(_places(spec)):
        data = jpeg(picture(spec, layouts[side], coil, camera, side, number), spec.quality)
        name = _name(spec, coil, camera, side, number)
        yield name, data
        if index in again:
            yield name.replace("_strip.jpg", "_strip2.jpg"), broken(data, again[index])


def _name(spec: FramePlantSpec, coil: Coil, camera: str, side: str, number: int) -> str:
    position = spec.metres(number * spec.height)
    when = seen_at(coil.date, coil.number, spec.coils, position)
    return f"{when:%Y%m%dT%H%M%SZ}_{position:08.3f}m_{camera}_{side}_{number:06d}_strip.jpg"
