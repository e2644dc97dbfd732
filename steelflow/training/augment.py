"""What a camera and a mill do to a picture, done to batches during training.

Everything takes and returns float32 (N, 1, S, S) with 0 black and 1 white, and draws from an explicit generator.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far each disturbance goes; every image draws its own strength, uniformly up to these."""

    shift: float = 0.12  # of the side, with the picture mirrored at its edges
    gain: float = 0.4  # factor 1 ± this
    brightness: float = 0.15  # added, ± this
    contrast: float = 0.1  # factor 1 ± this about the mean of the picture
    blur: float = 0.7  # standard deviation of the kernel in pixels, along each of its axes
    snr_db: float = 20.0  # the worst signal-to-noise ratio
    share: float = 0.3  # of images that get blur, and of those that get noise

    def __call__(self, x: Tensor, rng: torch.Generator) -> Tensor:
        x = flip(x, rng)
        x = shift(x, self.shift, rng)
        x = blur(x, self.blur * _chosen(x, self.share, rng), rng)
        x = light(x, self.gain, self.brightness, self.contrast, rng)
        x = noise(x, self.snr_db, _chosen(x, self.share, rng), rng)
        return x.clamp_(0, 1)


def flip(x: Tensor, rng: torch.Generator) -> Tensor:
    """Mirror each picture or not, along each axis. No quarter turns: the rolling direction is a clue."""
    way = torch.randint(4, (len(x), 1, 1, 1), generator=rng)
    x = torch.where(way & 1 == 1, x.flip(3), x)
    return torch.where(way & 2 == 2, x.flip(2), x)


def shift(x: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Move by whole pixels, up to ``share`` of the side each way; what comes in mirrors what is there."""
    count, _, side, _ = x.shape
    far = min(int(share * side), side - 1)
    offset = torch.randint(-far, far + 1, (2, count, 1), generator=rng)
    place = (torch.arange(side) + offset).abs()
    place = torch.where(place >= side, 2 * (side - 1) - place, place)
    rows, columns = place[0][:, :, None], place[1][:, None, :]
    return x[torch.arange(count)[:, None, None], 0, rows, columns][:, None]


def light(x: Tensor, gain: float, brightness: float, contrast: float, rng: torch.Generator) -> Tensor:
    """Exposure g·x + b, then contrast c about the picture's own mean."""
    mean = x.mean((2, 3), keepdim=True)
    factor = 1 + contrast * _symmetric(x, rng)
    return ((x - mean) * factor + mean) * (1 + gain * _symmetric(x, rng)) + brightness * _symmetric(x, rng)


def blur(x: Tensor, sigma: Tensor, rng: torch.Generator, size: int = 7) -> Tensor:
    """Gaussian of standard deviation up to ``sigma`` (N, 1, 1, 1) along each of two axes at a random angle.

    Equal axes are defocus, unequal ones motion. The kernel of σ = 0 is the identity.
    """
    count = len(x)
    axis = torch.arange(size) - size // 2
    dy, dx = axis[:, None], axis[None, :]
    angle = torch.pi * torch.rand(count, 1, 1, 1, generator=rng)
    along = dx * torch.cos(angle) + dy * torch.sin(angle)
    across = dy * torch.cos(angle) - dx * torch.sin(angle)
    widths = sigma * torch.rand(2, count, 1, 1, 1, generator=rng) + 1e-3
    kernel = torch.exp(-0.5 * ((along / widths[0]) ** 2 + (across / widths[1]) ** 2))
    kernel /= kernel.sum((2, 3), keepdim=True)
    padded = F.pad(x, [size // 2] * 4, mode="replicate")
    return F.conv2d(padded.transpose(0, 1), kernel, groups=count).transpose(0, 1)


def noise(x: Tensor, worst_db: float, chosen: Tensor, rng: torch.Generator, best_db: float = 40.0) -> Tensor:
    """White Gaussian noise at a signal-to-noise ratio drawn between ``worst_db`` and ``best_db``.

    SNR = 10·log₁₀(mean(x²) / σ²), so σ = rms(x) · 10^(−SNR / 20). ``chosen`` (N, 1, 1, 1) is 1 for images that get it.
    """
    snr = worst_db + (best_db - worst_db) * torch.rand(len(x), 1, 1, 1, generator=rng)
    rms = x.square().mean((2, 3), keepdim=True).sqrt()
    return x + chosen * rms * 10 ** (-snr / 20) * torch.randn(x.shape, generator=rng)


def _symmetric(x: Tensor, rng: torch.Generator) -> Tensor:
    return 2 * torch.rand(len(x), 1, 1, 1, generator=rng) - 1


def _chosen(x: Tensor, share: float, rng: torch.Generator) -> Tensor:
    return (torch.rand(len(x), 1, 1, 1, generator=rng) < share).float()
