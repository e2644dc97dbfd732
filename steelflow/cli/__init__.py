"""The commands."""

import os

# The matrices of drift are small: with a thread for each core, OpenBLAS waits longer than it works. It reads this once,
# when numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
