"""Server-side times of the pages, over the reports of the settings: ``python -m dashboard.bench`` prints JSON.

The pages run as for a visitor, from top to bottom, in a process with empty caches. The imports, once per process, are
measured separately.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.ahead import import_ahead
from dashboard.auth import queues
from dashboard.data import coils, embedding, find, sources
from dashboard.data import versions as of_versions
from dashboard.data.finding import Here
from steelflow.drift.signals import SIGNALS
from steelflow.inspection.runtime import prepare
from steelflow.labels import open_labels
from steelflow.report.reader import ReportReader

APP = Path(__file__).parent / "app.py"
_PATIENCE = 300.0  # seconds
_OF_LINE = 28_000  # images of a line and night, about


class _Watch:
    """Runs the pages, and keeps what each took: seconds that passed, and seconds of a core."""

    def __init__(self) -> None:
        self.app = AppTest.from_file(APP, default_timeout=_PATIENCE)
        self.seconds: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    def timed(self, what: str, act: Callable[[], object]) -> None:
        started, worked = time.perf_counter(), time.process_time()
        act()
        self.seconds[what] = round(time.perf_counter() - started, 3)
        self.cpu[what] = round(time.process_time() - worked, 3)
        if wrong := [one.value for one in (*self.app.error, *self.app.exception)]:
            sys.exit(f"{what}: {wrong[0]}")

    def opened(self, page: str, what: str) -> None:
        """A page, and once more with warm caches."""
        self.app.switch_page(f"app_pages/{page}.py")
        self.timed(what, self.app.run)
        self.timed(f"{what}, again", self.app.run)


def main() -> None:
    prepare()
    started = time.perf_counter()
    import_ahead()
    imports = {"imports, once per process": round(time.perf_counter() - started, 3)}
    watch = _Watch()
    defects(watch)
    nights(watch)
    model(watch)
    coils_and_names(watch)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {"seconds": imports | watch.seconds, "cpu_seconds": watch.cpu, "peak_mib": round(peak)}
    sys.stdout.write(json.dumps(told) + "\n")


def defects(watch: _Watch) -> None:
    app, timed = watch.app, watch.timed
    timed("Tonight, first view", app.run)
    timed("Tonight, again", app.run)
    app.switch_page("app_pages/defects.py")
    timed("Defects, first view", app.run)
    timed("Defects, a year", lambda: app.segmented_control(key="range").set_value("1 year").run())
    lines = app.multiselect(key="lines").options
    timed("Defects, a year of one line", lambda: app.multiselect(key="lines").set_value(lines[:1]).run())
    app.multiselect(key="lines").set_value([])
    sure = app.segmented_control(key="sure")
    timed("Defects, a year, hardly sure", lambda: sure.set_value(sure.options[:2]).run())
    models = app.multiselect(key="model").options
    timed("Defects, a year of one model", lambda: app.multiselect(key="model").set_value(models[:1]).run())
    sure.set_value([])
    app.multiselect(key="model").set_value([])
    timed("Defects, a year, coils C10…", lambda: app.text_input(key="coil").set_value("C10").run())
    timed("Defects, a year, coils C…", lambda: app.text_input(key="coil").set_value("C").run())
    app.text_input(key="coil").set_value("").run()


def nights(watch: _Watch) -> None:
    app, timed = watch.app, watch.timed
    watch.opened("runs", "Runs, first view")
    watch.opened("coil", "Coil, first view")
    timed("Coil, the next one", lambda: app.button(key="after").click().run())
    watch.opened("images", "Images, the last night")
    night = app.selectbox(key="night")
    timed("Images, a night of 100", lambda: night.set_value(night.options[-1]).run())
    night.set_value(night.options[0]).run()


def model(watch: _Watch) -> None:
    app, timed = watch.app, watch.timed
    watch.opened("drift", "Drift, first view")
    last, labels = sources.nights()[-1], open_labels(sources.settings())
    line = str(app.selectbox(key="line").value)
    for signal in SIGNALS:
        timed(f"Drift, the images that moved {signal}", partial(queues.moved, labels, last, line, signal))
    watch.opened("review", "Review, a new queue")
    timed("Review, images of a second reader", lambda: queues.begin(labels, line, "cleo"))
    watch.opened("classes", "Classes, first view")
    watch.opened("models", "Models, first view")
    timed("Models, two versions", lambda: of_versions.figures(*sources.registry().versions()[:2]))
    timed("Models, the map of a night", lambda: embedding.points(ReportReader(sources.report()), last, line, _OF_LINE))


def coils_and_names(watch: _Watch) -> None:
    timed, last = watch.timed, sources.nights()[-1]
    st.cache_data.clear()  # Tonight has asked the same before
    timed("Coils to decide, first", lambda: coils.coils(last))
    timed("Coils to decide, again", lambda: coils.coils(last))
    timed("Can I trust this night, first", lambda: coils.trusted(last))
    timed("Find, a coil, first", lambda: find.answer("C1042", Here()))
    timed("Find, a coil of last tuesday", lambda: find.answer("1007 last tuesday", Here()))
    timed("Find, a name that is not there", lambda: find.answer("xyzzy", Here()))
    timed("Find, an image of a night", lambda: find.answer("image _00017", Here()))


if __name__ == "__main__":
    main()
