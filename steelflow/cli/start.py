"""The program ``steelflow``.

While Python imports modules, it looks for cycles again and again, and finds next to none: that is a tenth of the time
until the first image. ``inspection.runtime.prepare`` turns the search on again.
"""

from __future__ import annotations

import gc


def main() -> None:
    gc.disable()
    from steelflow.cli.main import main as run

    run()
