"""Augmentation: disturbances from the camera and the mill, applied to batches during training.

All functions take and return float32 (N, 1, S, S); 0 is black and 1 is white. The random generator is an argument and
must be on the device of the pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Augmentation:
    """The largest strength of each disturbance. The strength of each image is uniform up to this value."""

    shift: float = 0.12  # share of the side; the picture is mirrored at its edges
    gain: float = 0.4  # factor 1 ± this
    brightness: float = 0.15  # added value, ± this
    contrast: float = 0.1  # factor 1 ± this about the mean of the picture
    unevenness: float = 1.2  # for half of the images: factor 1 ± this from side to side; negative gives black
    blur: float = 1.0  # standard deviation of the kernel in pixels, for each axis
    snr_db: float = 20.0  # the worst signal-to-noise ratio
    share: float = 0.3  # share of images with blur, and share of images with noise
    flips: Literal["both", "horizontal", "none"] = "both"
    quarter_turns: bool = False  # off: the rolling direction helps to classify
    rotation: float = 0.0  # degrees, ± this
    zoom: float = 0.0  # factor 1 ± this

    def __call__(self, x: Tensor, rng: torch.Generator) -> Tensor:
        x = flip(x, rng, self.flips)
        if self.quarter_turns:
            x = quarter_turn(x, rng)
        x = shift(x, self.shift, rng)
        if self.rotation or self.zoom:
            angle = self.rotation * _symmetric(x, rng).flatten()
            x = rotate_and_zoom(x, angle, 1 + self.zoom * _symmetric(x, rng).flatten())
        x = blur(x, self.blur * _chosen(x, self.share, rng), rng)
        x = light(x, self.gain, self.brightness, self.contrast, rng)
        if self.unevenness:
            x = uneven(x, self.unevenness * _chosen(x, 0.5, rng), rng)
        x = noise(x, self.snr_db, _chosen(x, self.share, rng), rng)
        return x.clamp_(0, 1)


def flip(x: Tensor, rng: torch.Generator, axes: Literal["both", "horizontal", "none"] = "both") -> Tensor:
    """Mirror pictures at random: left to right, and with ``both`` also top to bottom."""
    way = torch.randint(4, (len(x), 1, 1, 1), generator=rng, device=x.device)
    if axes != "none":
        x = torch.where(way & 1 == 1, x.flip(3), x)
    if axes == "both":
        x = torch.where(way & 2 == 2, x.flip(2), x)
    return x


def quarter_turn(x: Tensor, rng: torch.Generator) -> Tensor:
    """Turn each picture by 0, 90, 180 or 270 degrees."""
    turns = torch.randint(4, (len(x), 1, 1, 1), generator=rng, device=x.device)
    for k in (1, 2, 3):
        x = torch.where(turns == k, x.rot90(k, (2, 3)), x)
    return x


def rotate_and_zoom(x: Tensor, degrees: Tensor, factor: Tensor) -> Tensor:
    """Turn by ``degrees`` (N,) counterclockwise and enlarge by ``factor`` (N,), about the centre.

    Bilinear. The picture is mirrored at its edges.
    """
    angle = torch.deg2rad(degrees)
    cos, sin, nothing = torch.cos(angle) / factor, torch.sin(angle) / factor, torch.zeros_like(angle)
    back = torch.stack([torch.stack([cos, -sin, nothing], 1), torch.stack([sin, cos, nothing], 1)], 1)
    grid = F.affine_grid(back, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def shift(x: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Move by whole pixels, up to ``share`` of the side each way. The picture is mirrored at its edges."""
    count, _, side, _ = x.shape
    far = min(int(share * side), side - 1)
    offset = torch.randint(-far, far + 1, (2, count, 1), generator=rng, device=x.device)
    place = (torch.arange(side, device=x.device) + offset).abs()
    place = torch.where(place >= side, 2 * (side - 1) - place, place)
    rows, columns = place[0][:, :, None], place[1][:, None, :]
    return x[torch.arange(count, device=x.device)[:, None, None], 0, rows, columns][:, None]


def light(x: Tensor, gain: float, brightness: float, contrast: float, rng: torch.Generator) -> Tensor:
    """Apply exposure g·x + b, then contrast c about the mean of the picture."""
    mean = x.mean((2, 3), keepdim=True)
    factor = 1 + contrast * _symmetric(x, rng)
    return ((x - mean) * factor + mean) * (1 + gain * _symmetric(x, rng)) + brightness * _symmetric(x, rng)


def uneven(x: Tensor, amplitude: Tensor, rng: torch.Generator) -> Tensor:
    """Light from one side: (1 + a·t)·x. t rises linearly from −1 to 1 across the picture in a random direction; a is
    at most ``amplitude`` (N, 1, 1, 1)."""
    side = x.shape[-1]
    axis = torch.linspace(-1, 1, side, device=x.device)
    angle = 2 * torch.pi * torch.rand(len(x), 1, 1, 1, generator=rng, device=x.device)
    cos, sin = torch.cos(angle), torch.sin(angle)
    t = (axis[None, :] * cos + axis[:, None] * sin) / (cos.abs() + sin.abs())
    return x * (1 + amplitude * torch.rand(len(x), 1, 1, 1, generator=rng, device=x.device) * t)


def blur(x: Tensor, sigma: Tensor, rng: torch.Generator, size: int = 7) -> Tensor:
    """Gaussian blur along two axes at a random angle; standard deviations up to ``sigma`` (N, 1, 1, 1).

    Equal axes give defocus, unequal axes give motion blur. The kernel of σ = 0 is the identity.
    """
    count = len(x)
    axis = torch.arange(size, device=x.device) - size // 2
    dy, dx = axis[:, None], axis[None, :]
    angle = torch.pi * torch.rand(count, 1, 1, 1, generator=rng, device=x.device)
    along = dx * torch.cos(angle) + dy * torch.sin(angle)
    across = dy * torch.cos(angle) - dx * torch.sin(angle)
    widths = sigma * torch.rand(2, count, 1, 1, 1, generator=rng, device=x.device) + 1e-3
    kernel = torch.exp(-0.5 * ((along / widths[0]) ** 2 + (across / widths[1]) ** 2))
    kernel /= kernel.sum((2, 3), keepdim=True)
    padded = F.pad(x, [size // 2] * 4, mode="replicate")
    return F.conv2d(padded.transpose(0, 1), kernel, groups=count).transpose(0, 1)


def noise(x: Tensor, worst_db: float, chosen: Tensor, rng: torch.Generator, best_db: float = 40.0) -> Tensor:
    """White Gaussian noise at a signal-to-noise ratio drawn between ``worst_db`` and ``best_db``.

    SNR = 10·log₁₀(mean(x²) / σ²), so σ = rms(x) · 10^(−SNR / 20). ``chosen`` (N, 1, 1, 1) is 1 for images with noise.
    """
    snr = worst_db + (best_db - worst_db) * torch.rand(len(x), 1, 1, 1, generator=rng, device=x.device)
    rms = x.square().mean((2, 3), keepdim=True).sqrt()
    return x + chosen * rms * 10 ** (-snr / 20) * torch.randn(x.shape, generator=rng, device=x.device)


def _symmetric(x: Tensor, rng: torch.Generator) -> Tensor:
    return 2 * torch.rand(len(x), 1, 1, 1, generator=rng, device=x.device) - 1


def _chosen(x: Tensor, share: float, rng: torch.Generator) -> Tensor:
    return (torch.rand(len(x), 1, 1, 1, generator=rng, device=x.device) < share).float()
