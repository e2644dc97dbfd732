"""The card of a strip model: one page of Markdown with its figures, its training and its limits."""

from __future__ import annotations

from typing import Any

from steelflow.training.remembered import warning


def card(record: dict[str, Any]) -> str:
    """Markdown from the record that ``train_strip`` writes."""
    spec, images, recipe = record["model"], record["images"], record["recipe"]
    defects = [name for name in spec["classes"] if name not in spec["good"]]
    origin, teacher = record["pretrained"], record["teacher"]
    begun = (
        f"\n- Begun with the weights of {origin['file']} (`{origin['sha256'][:12]}`) in the backbone." if origin else ""
    )
    taught = f"\n- It was distilled from `{teacher}`, which judged {recipe['pool']} views." if teacher else ""
    return f"""# {spec["name"]}

Architecture `{spec["arch"]}`, for views of {spec["view"]}×{spec["view"]} pixels at native scale. Good:
{", ".join(spec["good"])}. Defects: {", ".join(defects)}. The map has the logits of cells of 8×8 pixels.

## On held-out pictures
{_figures(record["held_out"], spec["operating_point"])}{_known(record)}

## How it was made
- {images["training"]} training pictures; SHA-256 of the set
  `{record["data_hash"]}`. Pictures of one tile, frame or coil are either all in training or all held out.
- Seed {record["seed"]}, {_rounds(recipe)}{recipe["steps"]} steps of {recipe["batch"]} views, AdamW at {recipe["rate"]}
  (cosine).
- {recipe["augmentation"]["defects"]:.0%} of the views are cut towards a defect; {recipe["augmentation"]["pasted"]:.0%}
  of the good ones get a pasted one. Cells learn from masks and boxes, views from the pooled cells.{begun}{taught}
- Probabilities are calibrated with temperature {spec["temperature"]:.3f}, fitted on disturbed training views.
- ONNX and torch differ by at most {record["parity"]:.1e} in a logit.
- {", ".join(f"{package} {number}" for package, number in record["versions"].items())}.

## Limits
The model knows the defects above. The operating point holds for a surface and a camera like those of the training
pictures: check it on your own good strip, and change it with `steelflow models operating-point`.
"""


def _known(record: dict[str, Any]) -> str:
    """A warning if the model that this one began with knew some of the held-out pictures."""
    told = warning("The model that it began with", record.get("start_knew", 0))
    return f"\n\n{told}" if told else ""


def _rounds(recipe: dict[str, Any]) -> str:
    return "" if recipe["rounds"] == 1 else f"{recipe['rounds']} rounds of "


def _figures(held_out: dict[str, Any] | None, point: float) -> str:
    if held_out is None:
        return (
            f"None were held out: all pictures trained this model. Its operating point is {point:.4f}. The figures\n"
            "of models of the same recipe, with pictures held out, are in `docs/results/`."
        )
    rows = "\n".join(f"| {name} | {recall:.1%} |" for name, recall in held_out["recall_by_class"].items())
    area = "–" if held_out["auc"] is None else f"{held_out['auc']:.4f}"
    alarms = "–" if held_out["false_alarms"] is None else f"{held_out['false_alarms']:.1%}"
    recall = "–" if held_out["recall"] is None else f"{held_out['recall']:.1%}"
    at = (
        "At points that were fitted so on other groups of these pictures"
        if held_out["crossed"]
        else "At this point, on the pictures that it was fitted on"
    )
    return f"""AUC {area}, good against defective, on {held_out["good"]} good and {held_out["defects"]} defective ones.
The operating point {point:.4f} is fitted for {held_out["asked"]:.2%} false alarms of good views. {at},
{alarms} of the good pictures alarm and {recall} of the defective ones are found.

| class | found |
|---|---|
{rows}"""
