"""Make docs/models.md from the result files alone, without training or measuring again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from steelflow.errors import DataError
from steelflow.selection import strip_table
from steelflow.selection.protocols import PROTOCOLS
from steelflow.training.robustness import CASI_NET

Result = dict[str, Any]

_KINDS = ("model", "protocol", "precision", "precision-steps", *strip_table.KINDS)

_HEAD = """# Models

`steelflow models table` made this page from the files in [results](results). They record seeds, commands and commits.
"""

_MODELS = """
## Side by side

Measured with `steelflow models compare`.

- *Accuracy*: on the held-out fifth of the images; the mean over the seeds ± half the 95 % interval (Student's t). Each
  seed has its own split and initial weights.
- *Robustness*: the mean accuracy over {conditions} disturbances of these images; the worst one in brackets.
- *MFLOPs*: a multiply-accumulate counts as two operations.
- *Epochs*: epochs of the training. A few dozen are too few for a large network.
- *Images/s*: from tar files to written reports, on the machine named in the file. In brackets: the ratio to
  SSDC-MiniNet at 200×200 in the same run.
- *Paper*: the accuracy (or macro F1) that papers report. Each paper has its own split; see the protocols below.

Shares are in %. "–" means not measured.

"""

_PROTOCOLS = """
## The papers' protocols

Measured with `steelflow reproduce`. The split has the paper's shares of the available images. The schedule is the
paper's or ours. Our figure is the mean over the seeds ± half the 95 % interval (Student's t), which is very wide for
two seeds. It is measured with the final weights: no epoch is chosen on test images. The files say what each paper does
not specify, and what we chose.

"""

_UNLABELLED = """
*Images without labels*: part of the test images was shown without labels. Three models, trained on the labels, judge
them, and a fourth learns from both. The figure is of the other test images.
"""

_PRECISION = """
## bfloat16 against float32

Measured with `steelflow zoo precision`. Each seed is trained in both precisions, with the same split,
initial weights, order and augmentation. Accuracy is on the held-out fifth. The difference is the mean of bf16 − fp32
over the seeds, ± half its 95 % interval. Hours are the sum of both, on the machine named in the file.

"""

_STEPS = """
Time of a training step for {images} pictures in milliseconds, on one thread, measured with
`steelflow zoo steps`. `--precision auto` chooses bfloat16 if it takes at most nine tenths of the time.

"""

_DISTURBED = """
## Under disturbance

Accuracy in %, mean over the seeds. The first six conditions are from CASI-Net's table. The formulas, and our choices
where that paper gives none, are in `steelflow/training/robustness.py`.

"""


def read_results(folder: Path) -> list[Result]:
    """Read the files of ``models compare`` and ``reproduce`` in ``folder`` and its subfolders; ignore other JSON.

    Raises:
        DataError: no such folder, or a file that is not JSON.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; name the folder with the results of `steelflow models compare`")
    found = []
    for path in sorted(folder.rglob("*.json")):
        try:
            result = json.loads(path.read_text())
        except (OSError, ValueError) as exc:
            raise DataError(f"{path}: cannot be read as JSON; restore or delete it") from exc
        if isinstance(result, dict) and result.get("kind") in _KINDS:
            found.append(result)
    return found


def render(results: Sequence[Result]) -> str:
    """Markdown. Models are sorted by accuracy, best first; protocols by name."""
    models = sorted((r for r in results if r["kind"] == "model"), key=lambda r: (-r["accuracy"], r["model"]))
    protocols = sorted(
        (r for r in results if r["kind"] == "protocol"),
        key=lambda r: (list(PROTOCOLS).index(r["protocol"]), r["arch"], r["recipe_name"], str(r["counts"])),
    )
    text = _HEAD
    if models:
        head = ["model", "input", "parameters", "MFLOPs", "KiB", "epochs", "accuracy (seeds)", "robustness (worst)"]
        head += ["ECE", "images/s", "paper"]
        rows = [(*_model(r), _images_per_second(r), _paper(r["arch"])) for r in models]
        text += _MODELS.format(conditions=len(models[0]["robustness"])) + _table(head, rows)
        if any("speed" in r for r in models):
            text += "\n![Accuracy and robustness against speed](models.png)\n"
        text += _DISTURBED + _table(*_disturbed(models))
    if protocols:
        head = ["protocol", "model", "recipe", "split per class", "measure", "ours (seeds)", "the paper's", "its model"]
        text += _PROTOCOLS + _table(head, [_protocol(r) for r in protocols])
        text += _UNLABELLED if any(r.get("unlabelled") for r in protocols) else ""
    if checks := sorted((r for r in results if r["kind"] == "precision"), key=lambda r: str(r["arch"])):
        head = ["model", "input", "epochs", "seeds", "fp32", "bf16", "difference", "hours"]
        text += _PRECISION + _table(head, [_precision(r) for r in checks])
    for steps in (r for r in results if r["kind"] == "precision-steps"):
        text += _STEPS.format(images=steps["images"]) + _table(*_steps(steps))
    return text + strip_table.render_strip(results, _table)


def _model(r: Result) -> tuple[str, ...]:
    return (
        f"`{r['model']}`",
        f"{r['input_size']}²",
        _number(r["parameters"]),
        _number(None if r["flops"] is None else r["flops"] / 1e6),
        _number(r["bytes"] / 1024),
        _number(r["training"].get("recipe", {}).get("epochs")),
        _mean(r["accuracy"], r["interval_95"], len(r["runs"])),
        f"{_percent(r['robustness_mean'])} ({_percent(r['robustness_worst']['accuracy'])})",
        f"{r['ece']:.4f}",
    )


def _images_per_second(r: Result) -> str:
    if "speed" not in r:
        return "–"
    return f"{_number(r['speed']['end_to_end'])} ({_number(r['speed']['end_to_end_ratio'])}×)"


def _paper(arch: str) -> str:
    """The figures of all papers for this architecture."""
    told = [
        f"{_percent(protocol.figures[arch])} {'F1 ' if protocol.measure == 'macro_f1' else ''}({name})"
        for name, protocol in PROTOCOLS.items()
        if arch in protocol.figures
    ]
    return ", ".join(told) or "–"


def _disturbed(models: Sequence[Result]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    names = list(models[0]["robustness"])
    rows = [(f"`{r['model']}`", *(_percent(r["robustness"].get(name)) for name in names)) for r in models]
    return ("model", *names), [*rows, ("CASI-Net's paper", *(_percent(CASI_NET.get(name)) for name in names))]


def _protocol(r: Result) -> tuple[str, ...]:
    return (
        r["protocol"],
        f"`{r['arch']}`" + (", ImageNet weights" if r["pretrained"] else ""),
        _recipe(r),
        " and ".join(sorted(set(r["counts"].values()))),
        {"accuracy": "accuracy", "macro_f1": "macro F1"}[r["paper"]["measure"]],
        _mean(r["mean"], r["interval_95"], len(r["runs"])),
        _percent(r["paper"]["figure"]),
        f"`{r['paper']['arch']}`",
    )


def _recipe(r: Result) -> str:
    if not r.get("unlabelled"):
        return str(r["recipe_name"])
    return f"{r['recipe_name']}, and {r['runs'][0]['unlabelled']:,} images without labels"


def _precision(r: Result) -> tuple[str, ...]:
    spread = "" if r["interval_95"] is None else f" ± {_percent(r['interval_95'])}"
    return (
        f"`{r['arch']}`",
        f"{r['input_size']}²",
        str(r["recipe"]["epochs"]),
        str(len({run["seed"] for run in r["runs"]})),
        *(_percent(r["mean"].get(precision)) for precision in ("fp32", "bf16")),
        "–" if r["difference"] is None else f"{100 * r['difference']:+.2f}{spread}",
        _number(r["hours"]),
    )


def _steps(r: Result) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    rows: list[tuple[str, ...]] = [
        (
            f"`{arch}`",
            f"{step['input_size']}²",
            _number(step["fp32_ms"]),
            _number(step["bf16_ms"]),
            f"{step['bf16_over_fp32']:.2f}",
        )
        for arch, step in r["steps"].items()
    ]
    return ("model", "input", "fp32", "bf16", "ratio"), rows


def _mean(mean: float, interval: float | None, seeds: int) -> str:
    return f"{_percent(mean)}{f' ± {_percent(interval)}' if interval is not None else ''} ({seeds})"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f}"


def _number(value: float | None) -> str:
    """Three digits for measured values; counts keep all digits."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
