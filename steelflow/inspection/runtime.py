"""Settings of other libraries for a process that inspects images. Entry points call ``prepare`` once at the start.

The library itself does not change these settings, so a program that imports steelflow keeps its own. Without them the
results are the same, but a nightly run is slower and needs more memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import warnings

import cv2
import numpy as np  # noqa: F401  loads the BLAS that is limited below
import pyarrow as pa
from PIL import Image
from threadpoolctl import threadpool_limits

from steelflow.config import MIB

_BLAS = "OPENBLAS_NUM_THREADS"
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_LARGE = 4 * MIB  # bytes of a block that goes back to the system when it is freed
_KEPT = 16 * MIB  # bytes that a thread keeps of the blocks that it has freed
_YOUNG = 20_000  # new objects after which Python looks for cycles; a chunk of images makes some thousands


def prepare() -> None:
    """Configure OpenCV, BLAS, Arrow and Pillow for inspection in this process, and BLAS in child processes."""
    cv2.setNumThreads(1)  # our own threads use all cores: one picture per core
    if _BLAS not in os.environ:
        # The matrices are small: with one thread per core, OpenBLAS waits longer than it works. OpenBLAS reads the
        # variable when it is loaded, so this affects child processes and SciPy's own copy.
        os.environ[_BLAS] = "1"
        threadpool_limits(1, user_api="blas")
    # Arrow's own allocator keeps freed memory (20 to 40 MiB of 250 in a nightly run) and is not faster.
    pa.set_memory_pool(pa.system_memory_pool())
    _manage_blocks()
    _collect_rarely()
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # limits.image_pixels decides
    warnings.filterwarnings("ignore", module="PIL")  # the report row says what is wrong with a picture


def _manage_blocks() -> None:
    """Have glibc return blocks of ``_LARGE`` and more to the system when they are freed, and reuse smaller ones.

    By itself it raises this limit to 32 MiB as it goes, and each thread then keeps what it has freed: with eight
    threads and pictures of 100 megapixels, 3.4 GiB at the peak instead of 1.5. With a limit of our own it would give
    back all but 128 KiB of the smaller blocks as well, and the system clears each page again for the next chunk.
    """
    with contextlib.suppress(AttributeError, OSError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT)


def _collect_rarely() -> None:
    """Have Python look for cycles less often, and not among the objects of the modules: inspection leaves few."""
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)
    gc.enable()
