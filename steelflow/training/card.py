"""The model card: one page of Markdown with the figures, the training and the limits of a model."""

from __future__ import annotations

from typing import Any

from steelflow.training.remembered import warning


def card(record: dict[str, Any]) -> str:
    """Markdown from the record that ``train`` writes as metrics.json."""
    spec, figures, images, versions = record["model"], record["held_out"], record["images"], record["versions"]
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
images that were not used for {_which(record)}.{_known(record)}

| class | images | precision | recall | F1 | AUC (one against the rest) |
|---|---|---|---|---|---|
{rows}

## How it was made
- Data: {images["training"]} training images, {len(record["skipped"])} files skipped as unreadable; SHA-256 of the set
  `{record["data_hash"]}`.{about}{_others(record)}
- Held out: {record["split"]}. {_kept(record)}
- Seed {record["seed"]}, {_recipe(record)}.
- Probabilities are calibrated with temperature {spec["temperature"]:.3f}, fitted on augmented training images.
- ONNX and torch differ by at most {record["parity"]:.1e} in a logit.
- {", ".join(f"{package} {number}" for package, number in versions.items())}.

![Learning curves]({spec["name"]}.curves.png)

## Limits
The model knows only the classes above and assigns one of them to every image. `novel` in a report marks most images
that differ from the training images, and about 3 % of those that do not differ. The figures hold for images similar to
the training images.
"""


def _others(record: dict[str, Any]) -> str:
    found = record.get("unlabelled")
    return f" Also {found['images']} pictures without labels, which the teachers judged." if found else ""


def _which(record: dict[str, Any]) -> str:
    if not record.get("on_all"):
        return "training"
    return """training.
These figures are of a first training of the same recipe. The weights here are of a second one, on all images"""


def _known(record: dict[str, Any]) -> str:
    """A warning if the model that this one began with, or a teacher, knew some of the held-out images."""
    told = (
        warning("The model that it began with", record.get("start_knew", 0)),
        warning("A teacher", record.get("teachers_knew", 0)),
    )
    return "".join(f"\n{sentence}" for sentence in told if sentence)


def _kept(record: dict[str, Any]) -> str:
    """Which weights were kept, and on which images they were chosen."""
    weights = "averaged weights" if record["recipe"]["averaging"] else "weights"
    if not record["recipe"]["patience"]:
        return f"The final {weights} were kept; they were not chosen on these images."
    return (
        f"The {weights} of epoch {record['kept_epoch']} were kept: it had the least loss on "
        f"{record['images']['validation']} validation images, which were taken from the training images."
    )


def _recipe(record: dict[str, Any]) -> str:
    recipe = record["recipe"]
    phases = record["phases"]
    names = {"adamw": "AdamW", "adam": "Adam", "sgd": f"SGD with momentum {recipe['momentum']}"}
    parts = [
        f"{len(record['curves']['epoch'])} epochs",
        f"batch {recipe['batch_size']}",
        f"{names[recipe['optimizer']]} at "
        + (f"{recipe['learning_rate']} ({recipe['schedule']})" if phases is None else _phases(phases)),
        *(f"{method} with α = {recipe[method]}" for method in ("mixup", "cutmix") if recipe[method]),
    ]
    if record["pretrained"]:
        parts.append(_pretrained(record["pretrained"]))
    if record["start"]:
        parts.append(f"starting from {record['start']['ref']} (`{record['start']['weights'][:12]}`)")
    if record["class_weights"]:
        parts.append("classes weighted equally")
    if record["teachers"]:
        named = ", ".join(f"{teacher['ref']} (`{teacher['weights'][:12]}`)" for teacher in record["teachers"])
        temperature = recipe["distillation_temperature"]
        parts.append(f"distilled from {named}, share {recipe['distillation']}, temperature {temperature}")
    return ", ".join(parts)


def _pretrained(origin: bool | dict[str, str]) -> str:
    if isinstance(origin, dict):
        return f"starting from the weights of {origin['file']} (`{origin['sha256'][:12]}`)"
    return "starting from ImageNet weights"


def _phases(phases: dict[str, Any]) -> str:
    return (
        f"{phases['head_rate']} for {phases['head_epochs']} epochs with the backbone frozen, then at "
        f"{phases['tail_rate']} with its last {phases['tail_layers']} layers thawed"
    )


def _(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
