"""``python -m steelflow.metrics HOST:PORT``: the process that serves the figures; see ``server``."""

from __future__ import annotations

import contextlib
import sys

from steelflow.config import load_settings
from steelflow.inspection.runtime import prepare
from steelflow.metrics.server import serve
from steelflow.service.ports import Address
from steelflow.store.embedded import serving
from steelflow.telemetry.logs import configure


def main() -> None:
    prepare()
    settings = load_settings()
    configure(settings)
    with contextlib.suppress(KeyboardInterrupt), serving(settings) as reached:
        serve(reached, Address.parsed(sys.argv[1], 0))


if __name__ == "__main__":
    main()
