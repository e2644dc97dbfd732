"""The card of a trained model: what a person must know before trusting it, on one page of Markdown."""

from __future__ import annotations

from typing import Any


def card(record: dict[str, Any]) -> str:
    """Markdown from the record that ``train`` writes as metrics.json."""
    spec, figures, images = record["model"], record["held_out"], record["images"]
    recipe, versions = record["recipe"], record["versions"]
    about = f" {record['about']}" if record["about"] else ""
    rows = "\n".join(
        f"| {name} | {c['support']} | {_(c['precision'])} | {_(c['recall'])} | {_(c['f1'])} | {_(c['auc'])} |"
        for name, c in figures["per_class"].items()
    )
    return f"""# {spec["name"]}

Architecture `{spec["arch"]}`; {len(spec["classes"])} classes; grey images, area-resized to
{spec["input_size"]}×{spec["input_size"]}.

## On held-out images
Accuracy {figures["accuracy"]:.2%}, macro F1 {_(figures["macro_f1"])}, ECE {_(figures["ece"])}, on {images["held_out"]}
images that took no part in training.

| class | images | precision | recall | F1 | AUC (one against the rest) |
|---|---|---|---|---|---|
{rows}

## How it was made
- Data: {images["training"]} training images, {len(record["skipped"])} files skipped as unreadable; SHA-256 of the set
  `{record["data_hash"]}`.{about}
- Held out: {record["split"]}. The final averaged weights were taken as they were, not chosen on these images.
- Seed {record["seed"]}, {recipe["epochs"]} epochs, batch {recipe["batch_size"]}, AdamW at {recipe["learning_rate"]}.
- Probabilities are calibrated with temperature {spec["temperature"]:.3f}, fitted on augmented training images.
- ONNX and torch differ by at most {record["parity"]:.1e} in a logit.
- {", ".join(f"{package} {number}" for package, number in versions.items())}.

## Limits
It knows the classes above and nothing else: whatever it is shown becomes one of them. The figures hold for images like
those it was trained on.
"""


def _(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
