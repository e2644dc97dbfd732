"""A sentence about 16-bit images that do not use their upper bits: a camera of 12 bits that does not say so."""

from __future__ import annotations

from steelflow.report.writer import Counts

_FULL = 15  # bits: an image whose brightest value needs them is no camera of 14 bits or fewer
_CAMERAS = (8, 10, 12, 14)


def depth_note(what: str, counts: Counts) -> str | None:
    """What a person should read about the images that ``counts`` counts; None if their upper bits are used.

    Args:
        what: whose images they are, such as ``line L2``.
    """
    if not counts.wide or counts.bits >= _FULL:
        return None
    likely = next(bits for bits in _CAMERAS if bits >= counts.bits)
    return (
        f"{what}: its 16-bit images ({counts.wide:,}) never use more than {counts.bits} bits, so they were judged as "
        f"dark images; if the camera has {likely} bits, set limits.sample_bits = {likely} (of a single line: "
        f"limits.lines.<line>.sample_bits)"
    )
