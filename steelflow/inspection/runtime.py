"""Settings of other libraries for a process that inspects images. Entry points call ``prepare`` once, at their start.

Nothing in the library changes them by itself, so a program that imports steelflow keeps its own. Results are the same
without them; a night is slower and takes more memory.
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
    """Set OpenCV, BLAS, Arrow and Pillow up for inspection, in this process and for the BLAS of its children."""
    cv2.setNumThreads(1)  # our own threads use the cores: one picture, one core
    if _BLAS not in os.environ:
        # The matrices are small: with a thread for each core, OpenBLAS waits longer than it works. It reads the
        # variable when it is loaded, which is yet to happen in child processes and for the copy that SciPy brings.
        os.environ[_BLAS] = "1"
        threadpool_limits(1, user_api="blas")
    # Arrow's own allocator keeps what was freed: 20 to 40 MiB of a night's 250, for no gain in speed.
    pa.set_memory_pool(pa.system_memory_pool())
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # limits.image_pixels decides
    warnings.filterwarnings("ignore", module="PIL")  # what is wrong with a picture is in its row
