"""Every metric that steelflow has. All are gauges: they say how things stand, and a night that is run again replaces
what was said of it. *The night* is the latest one that has a record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    help: str
    labels: tuple[str, ...] = ()


METRICS = tuple(
    Metric(f"steelflow_{name}", text, labels)
    for name, text, labels in (
        ("build_info", "1, with the version of steelflow", ("version",)),
        ("storage_up", "1 if the storage answered when the figures were read, else 0", ()),
        ("figures_timestamp_seconds", "When the figures were last read from storage", ()),
        ("night_timestamp_seconds", "The night: its date at 00:00 UTC", ()),
        ("night_images", "Images of the night by line and state: ok or failed", ("line", "state")),
        ("night_failures", "Images of the night that could not be inspected, by line and reason", ("line", "reason")),
        ("night_novel_images", "Images of the night that are unlike the training images", ("line",)),
        ("night_units", "Work units of the night's last run: done, skipped, failed or pending", ("state",)),
        ("night_state", "1 for the state of the night, 0 for the others", ("state",)),
        ("night_missing", "Number of things that the night misses", ()),
        ("night_judged_images", "Images that the last run that judged any has judged", ()),
        ("night_images_per_second", "Rate of the last run that judged any image", ()),
        ("night_seconds", "Duration of the last run that judged any image", ()),
        ("night_stage_seconds", "Seconds by stage of that run, added up over threads", ("stage",)),
        ("night_running", "1 if a night is being inspected now, else 0", ()),
        ("night_units_left", "Work units left of the lines that are planned", ("night",)),
        ("night_progress_ratio", "Share of the night that is done, from 0 to 1", ("night",)),
        ("night_rate_images_per_second", "Rate of the night that is being inspected", ("night",)),
        ("night_left_seconds", "Estimated time until the night is done", ("night",)),
        ("night_progress_timestamp_seconds", "When that progress was written", ("night",)),
        ("drift_value", "Value of a drift signal on a line in the night", ("line", "signal")),
        ("drift_threshold", "Threshold of that signal on that line", ("line", "signal")),
        ("drift_verdict", "1 for the verdict on the line, 0 for the others", ("line", "verdict")),
        (
            "model_info",
            "1, with the model that judged the night, or the champion",
            ("role", "name", "version", "digest"),
        ),
        ("review_queue_images", "Novel images of the latest nights that have no label", ()),
        ("labels_images", "Images that have a label", ()),
        ("last_success_timestamp_seconds", "When a flow last succeeded, by its records", ("flow",)),
        (
            "line_last_night_timestamp_seconds",
            "The latest night, of the last 14, that has images of the line",
            ("line",),
        ),
    )
)
"""In the order in which they are written."""

BY_NAME = {metric.name: metric for metric in METRICS}
