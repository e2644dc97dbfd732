"""Train a model on labelled images, and measure a model on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from steelflow.api.arguments import Place, Progress, chosen, told
from steelflow.config import EngineName, Settings, load_settings
from steelflow.errors import ConfigError

if TYPE_CHECKING:
    from steelflow.labels import LabelStore
    from steelflow.training.annotated import AnnotatedResult
    from steelflow.training.evaluate import ModelEvaluation
    from steelflow.training.train import TrainingResult


def train(  # long: most of it documents the arguments
    data: Place | LabelStore,
    *,
    out: Place,
    arch: str | None = None,
    epochs: int | None = None,
    seed: int = 0,
    input_size: int | None = None,
    pretrained: bool | Place = False,
    start: Place | None = None,
    teachers: Sequence[Place] = (),
    unlabelled: Place | None = None,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    mixup: float | None = None,
    patience: int | None = None,
    on_all: bool = False,
    device: str | None = None,
    precision: Literal["fp32", "bf16", "auto"] = "fp32",
    form: str | None = None,
    pictures: Place | None = None,
    good: Sequence[str] = (),
    group_by: str | None = None,
    false_alarms: float | str | None = None,
    mm_per_pixel: float | None = None,
    augment: Mapping[str, object] | None = None,
    settings: Settings | None = None,
    progress: Callable[[Any], object] | None = None,
) -> TrainingResult | AnnotatedResult:
    """Train a model on labelled pictures. A fifth of them is held out, and the figures are about that fifth.

    Class folders of cut-out defects make a model that judges whole pictures. Data with good pictures, boxes or masks
    makes a model of views: it judges frames at their own scale, and has good classes and an operating point. An
    architecture of whole pictures can be named for good pictures without boxes and masks. docs/data.md describes the
    formats.

    Needs ``pip install 'steelflow[train]'``. An interrupted training resumes if it is called again with the same
    arguments. On the CPU, it ends with the same weights.

    Args:
        data: a folder with class folders, masks, Pascal VOC, COCO, CVAT or Label Studio files; a manifest, CSV or
            Parquet with the columns ``path`` and ``label``; or a label store, as ``open_labels`` returns it.
        out: the folder for the model, its figures and its card.
        arch: an architecture of the catalogue. Default: ``selection.arch`` of the settings; ``strip_light`` for views.
        epochs: passes over the training pictures. Default: by their number.
        seed: decides the split, the initial weights, the order and the augmentation.
        input_size: pixels, 32 to 1024: the side of the square that pictures are resized to, or of the views. Default:
            that of ``start``, else of the architecture.
        pretrained: start from ImageNet weights and fine-tune them in two phases. True takes torchvision's; a path names
            a file with torchvision's state dict (``.pth``, ``.safetensors``) or a TFLite classifier.
        start: fine-tune this model: a shipped name, or an ONNX file with its ``.safetensors`` file beside it. It may
            have other classes.
        teachers: learn from these models too (distillation): shipped names or ONNX files.
        unlabelled: a folder of pictures without labels. The teachers judge them, and the model learns from that.
        learning_rate: the highest one. Default: that of the architecture; a sixth of it with ``start``.
        batch_size: pictures, or views, of a training step; fewer need less memory. Default: 32, or 16 views.
        mixup: α of the Beta distribution by which images are mixed in pairs, such as 0.2. Default: no mixing.
        patience: stop after so many epochs without progress on a tenth of the images, set aside for this.
        on_all: train a second time, on all images, and write this model. The figures are those of the first
            training, about images that it did not see.
        device: ``cpu`` or ``cuda``. Default: a GPU if there is one.
        precision: of the training steps: ``fp32``, ``bf16``, or ``auto``, the faster of the two for this network here.
        form: the format of the data, such as ``voc`` or ``coco``. Default: found by content.
        pictures: the folder of the pictures, if the annotations are elsewhere.
        good: the classes that are not defects. Default: those named good, free, ok, normal, none, or "no defect".
        group_by: a regular expression for paths. Pictures with the same first group of its match are never split.
        false_alarms: the share of good views that may be above the operating point: 0.005 or ``"0.5%"`` (default), or
            ``"2/100m"``, false alarms in 100 m of strip that one camera sees.
        mm_per_pixel: millimetres per pixel along the strip, for ``"2/100m"``.
        augment: values of the augmentation to change, such as ``{"blur": 0.5}``.
        settings: as ``load_settings`` returns them. Default: ``load_settings()``.
        progress: called after each epoch with ``epoch``, ``epochs``, ``loss``, ``seconds`` and ``learning_rate``; for
            views after each step with ``step``, ``steps``, ``loss`` and ``seconds``.

    Returns:
        Paths: ``onnx`` (the model, for ``inspect``, ``classify`` and ``evaluate``), ``weights``, ``metrics``, ``card``
        and, for whole pictures, ``curves``. ``evaluation`` has the figures on the held-out pictures: ``accuracy``,
        ``macro_f1`` and ``ece`` (0 to 1), ``classes``, ``confusion``. ``trained_on`` and ``skipped`` count and list
        pictures. A model of views has ``at_point`` too: false alarms, and the defects found by class, at the operating
        point.

    Raises:
        ConfigError: an argument is out of range, contradicts another one or has no effect, or PyTorch is not installed.
        DataError: the pictures cannot be used: too few classes or pictures, unreadable annotations, no labels.
        ModelError: no such architecture, ``start`` or teacher, or ImageNet weights are not available.
        TrainingError: the loss became invalid, a batch does not fit into the memory, or ``out`` has the checkpoint of
            another training or is not writable.

    Example:
        result = steelflow.train("labelled", out="model", start="steelnet", epochs=2)
        print(f"{result.evaluation.accuracy:.1%} of {result.evaluation.images} held-out images are right")
        steelflow.classify("photos/0001.jpg", model=result.onnx)
    """
    try:
        from steelflow.training.wanted import Wanted
    except ImportError as exc:
        raise ConfigError(f"training needs {exc.name}; install it with `pip install 'steelflow[train]'`") from exc
    current = settings or load_settings()
    wanted = Wanted(
        arch=arch,
        default_arch=current.selection.arch,
        epochs=epochs,
        seed=seed,
        input_size=input_size,
        pretrained=pretrained if isinstance(pretrained, bool) else Path(pretrained).expanduser(),
        start=None if start is None else os.fspath(start),
        teachers=tuple(os.fspath(teacher) for teacher in teachers),
        unlabelled=None if unlabelled is None else Path(unlabelled).expanduser(),
        learning_rate=learning_rate,
        batch_size=batch_size,
        mixup=mixup,
        patience=patience,
        on_all=on_all,
        device=device,
        precision=precision,
        form=form,
        pictures=None if pictures is None else Path(pictures).expanduser(),
        good=tuple(good),
        group_by=group_by,
        false_alarms=false_alarms,
        mm_per_pixel=mm_per_pixel,
        augment=augment or {},
        limits=current.limits,
    )
    with _folder(data) as folder:
        return wanted.train(folder, Path(out).expanduser(), told(progress))


def evaluate(
    model: Place,
    data: Place | LabelStore,
    *,
    held_out: int | None = None,
    robustness: bool = False,
    engine: EngineName | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> ModelEvaluation:
    """Classify labelled images with a model and compare the results with the labels.

    Args:
        model: a shipped name (``steelnet``, ``ssdc_mininet``), an ONNX file that ``steelflow.train`` wrote, a version
            of the registry (``v3``) or ``champion``.
        data: a folder with one folder per class; a manifest, CSV or Parquet with the columns ``path`` and ``label``;
            or a label store, as ``open_labels`` returns it.
        held_out: use only the fifth of the images that ``train`` held out with this seed. Images that a model was
            trained on say little about it. Default: all images.
        robustness: classify every image under 15 disturbances too: light, noise, blur, compression, scale, rotation.
        engine: ``auto``, ``onnxruntime``, ``openvino`` or ``torch``. Default: ``model.engine`` of the settings.
        settings: as ``load_settings`` returns them. Default: ``load_settings()``.
        progress: called with the number of images classified since the last call, such as ``tqdm().update``.

    Returns:
        ``figures`` has ``images``, ``accuracy``, ``macro_f1`` and ``ece`` (0 to 1), ``classes`` with precision, recall,
        F1 and AUC of each class, and ``confusion`` (rows: true class; columns: decision). ``disturbed`` has accuracy
        and macro F1 for each disturbance. ``at_point``, for a model of views, has recall, false alarms and AUC of good
        against defect. ``skipped`` lists unreadable files. ``to_dict()`` has all of it for JSON.

    Raises:
        DataError: the images cannot be used, or have classes that the model does not know.
        ModelError, EngineError: the model is unknown or damaged, or cannot run here.

    Example:
        found = steelflow.evaluate("steelnet", "labelled")
        for one in found.figures.classes:
            print(one.name, one.support, one.recall)
    """
    from steelflow.training.evaluate_views import evaluate_labelled

    with _folder(data) as folder:
        return evaluate_labelled(
            folder,
            chosen(settings, model, engine),
            held_out=held_out,
            robustness=robustness,
            progress=told(progress),
        )


@contextmanager
def _folder(data: Place | LabelStore) -> Iterator[Path]:
    """The folder or manifest of that path; for a label store, a folder with its images, the golden set left out."""
    if isinstance(data, (str, os.PathLike)):
        yield Path(data).expanduser()
        return
    from steelflow.labels.export import as_folder

    with as_folder(data) as folder:
        yield folder
