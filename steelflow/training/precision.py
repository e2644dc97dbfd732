"""The number format of a training step: float32, or bfloat16 if the processor is faster with it.

In bfloat16 the forward pass runs under ``torch.autocast``; the backward pass uses the same types. Weights, loss,
optimizer, evaluation and export stay float32.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from steelflow.errors import ConfigError

Precision = Literal["fp32", "bf16"]
Wanted = Literal["fp32", "bf16", "auto"]

_WORTH = 0.9  # bfloat16 is chosen if a step takes at most this share of the float32 time
_IMAGES = 8  # in each measured step: enough to occupy one thread
_STEPS = 3


def checked(wanted: str) -> Wanted:
    """Raises ``ConfigError`` for an unknown precision."""
    for name in get_args(Wanted):
        if name == wanted:
            return name  # type: ignore[no-any-return]
    raise ConfigError(f"no precision {wanted!r}; give one of {', '.join(get_args(Wanted))}")


def casting(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """The context of a forward pass in ``precision``."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()


def has_bf16(device: torch.device) -> bool:
    """Whether the processor multiplies bfloat16 in hardware: a CPU with AVX512-BF16 or AMX, a GPU from Ampere on."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def choose_precision(
    wanted: Wanted, network: nn.Module, prepare: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor
) -> Precision:
    """Return ``wanted``; for ``auto``, measure which precision is faster for this network on its device.

    Networks of thin depthwise convolutions are slower in bfloat16: they spend their time on memory access and casts.

    Args:
        network: not changed. The state of torch's global generator is not changed either.
        images: uint8 (N, 1, S, S), a few are used; ``labels`` int64 (N,), −1 for none.
    """
    if wanted != "auto":
        return wanted
    if not has_bf16(next(network.parameters()).device):
        return "fp32"
    seconds = step_seconds(network, prepare, images[:_IMAGES], labels[:_IMAGES].clamp(min=0))
    return "bf16" if seconds["bf16"] <= _WORTH * seconds["fp32"] else "fp32"


def step_seconds(
    network: nn.Module, prepare: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor
) -> dict[Precision, float]:
    """Seconds of a forward and a backward pass over all ``images`` in each precision: the least of a few rounds.

    On a CPU this is CPU time, so other programs do not affect it.
    """
    device = images.device
    x = prepare(images.float()).contiguous(memory_format=torch.channels_last)
    trial = copy.deepcopy(network)
    times: dict[Precision, list[float]] = {"fp32": [], "bf16": []}
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for _ in range(1 + _STEPS):  # the first pass is a warm-up
            for precision, seconds in times.items():
                seconds.append(_step(trial, x, labels, precision))
    return {precision: min(seconds[1:]) for precision, seconds in times.items()}


def _step(network: nn.Module, x: Tensor, labels: Tensor, precision: Precision) -> float:
    clock = time.perf_counter if x.device.type == "cuda" else time.process_time
    began = clock()
    with casting(x.device, precision):
        logits = network(x)
    F.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
    if x.device.type == "cuda":
        torch.cuda.synchronize(x.device)
    return clock() - began
