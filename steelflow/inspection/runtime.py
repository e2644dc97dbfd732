"""Settings of other libraries for a process that inspects images. Entry points call ``prepare`` once at the start.

The library itself does not change these settings, so a program that imports steelflow keeps its own. Without them the
results are the same, but a nightly run is slower and needs more memory.
"""

from __future__ import annotations

import os
import warnings

import cv2
import numpy as np  # noqa: F401  loads the BLAS that is limited below
import pyarrow as pa
from PIL import Image
from threadpoolctl import threadpool_limits

_BLAS = "OPENBLAS_NUM_THREADS"


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
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # limits.image_pixels decides
    warnings.filterwarnings("ignore", module="PIL")  # the report row says what is wrong with a picture
