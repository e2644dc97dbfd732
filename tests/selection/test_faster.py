"""Faster variants: real ones of a real network, the same but for what was meant to change, and a gate that refuses."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import typer
from onnx import numpy_helper
from torch import nn
from toys import PLAIN
from typer.testing import CliRunner

from steelflow.cli.export import export
from steelflow.engine import Engine, open_engine
from steelflow.errors import DataError, ModelError
from steelflow.images.decode import resize
from steelflow.models.deployable import load_torch
from steelflow.models.shipped import resolve
from steelflow.selection import faster
from steelflow.selection.variants import Variant, make_variants
from steelflow.synth import surface
from steelflow.training.data import Dataset, load_folder, split
from steelflow.training.metrics import Evaluation, evaluate
from steelflow.training.quantise import kept_in_float, quantise, scale_of_logits
from steelflow.training.rewrite import with_half_weights, with_metadata
from steelflow.training.train import TrainingPlan, train

CLASSES = ("crazing", "patches", "scratches")
SIZE = 48
NAMES = ("f16", "bf16", "int8-minmax", "int8-percentile")
HAS_OPENVINO = importlib.util.find_spec("openvino") is not None


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faster, "_SECONDS", 0.01)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for name in CLASSES:
        (root / name).mkdir()
        for i in range(40):
            cv2.imwrite(str(root / name / f"{i:02}.png"), resize(surface(name, rng), SIZE))
    return root


@pytest.fixture(scope="module")
def model(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = replace(PLAIN, epochs=15, learning_rate=6e-3)
    return train(
        folder, TrainingPlan("ssdc_mininet", recipe=recipe, input_size=SIZE), tmp_path_factory.mktemp("model")
    ).onnx


@pytest.fixture(scope="module")
def data(folder: Path) -> Dataset:
    return load_folder(folder, SIZE)


@pytest.fixture(scope="module")
def variants(model: Path, data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    training, _ = split(data)
    made = make_variants(model, data.images[training][:, None], tmp_path_factory.mktemp("variants"))
    assert [variant.problem for variant in made] == [None] * len(NAMES)
    return {variant.name: variant.path for variant in made}


def figures(engine: Engine, data: Dataset) -> Evaluation:
    _, held_out = split(data)
    probabilities = engine.run(data.images[held_out][:, None]).probabilities
    return evaluate(data.labels[held_out], probabilities, data.classes)


def of_type(graph: onnx.GraphProto, kind: str) -> list[onnx.NodeProto]:
    return [node for node in graph.node if node.op_type == kind]


# what an export is made of


def test_no_batch_norm_is_left_in_an_export(model: Path) -> None:
    network, _ = load_torch(model.with_suffix(".safetensors"))
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert not of_type(onnx.load(model).graph, "BatchNormalization")


def test_all_but_the_first_and_the_last_layers_are_int8(model: Path, variants: dict[str, Path]) -> None:
    graph = onnx.load(variants["int8-minmax"]).graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    convolutions = of_type(graph, "Conv")
    assert len(convolutions) == len(of_type(onnx.load(model).graph, "Conv"))
    assert convolutions[0].input[1] in weights
    restored = {node.output[0]: node for node in of_type(graph, "DequantizeLinear")}
    for convolution in convolutions[1:]:
        weight, scale = (weights[name] for name in restored[convolution.input[1]].input[:2])
        assert weight.data_type == onnx.TensorProto.INT8
        assert list(scale.dims) == [weight.dims[0]], "a scale for each output channel"
        assert np.abs(numpy_helper.to_array(weight).astype(int)).max() <= 64, "seven bits"
    assert all(node.input[1] in weights for node in of_type(graph, "Gemm"))


def test_what_stays_in_float_is_found_by_the_graph_and_not_by_names() -> None:
    """Two branches from the picture, one with an activation; a sum; a layer and its own batch norm; the output."""
    layers = [
        ("Cast", "image", "x"),
        ("Conv", "x", "a"),
        ("Conv", "x", "b"),
        ("Relu", "a", "c"),
        ("Add", "b c", "d"),
        ("Conv", "d", "e"),
        ("BatchNormalization", "e", "f"),
        ("Gemm", "f", "logits"),
    ]
    nodes = [onnx.helper.make_node(kind, given.split(), [gives], f"{kind} {gives}") for kind, given, gives in layers]
    logits = onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, None)
    graph = onnx.helper.make_graph(nodes, "g", [], [logits])
    assert kept_in_float(graph) == ["Cast x", "Conv a", "Conv b", "Relu c", "BatchNormalization f", "Gemm logits"]


def test_float16_weights_halve_the_file_and_hardly_change_the_answer(model: Path, variants: dict[str, Path]) -> None:
    tensors = onnx.load(variants["f16"]).graph.initializer
    assert not any(tensor.data_type == onnx.TensorProto.FLOAT for tensor in tensors)
    assert variants["f16"].stat().st_size < 0.6 * model.stat().st_size


def test_weights_beyond_float16_are_refused(model: Path, tmp_path: Path) -> None:
    proto = onnx.load(model)
    tensor = next(t for t in proto.graph.initializer if t.data_type == onnx.TensorProto.FLOAT)
    tensor.CopyFrom(numpy_helper.from_array(1e5 + numpy_helper.to_array(tensor), tensor.name))
    onnx.save(proto, tmp_path / "large.onnx")
    with pytest.raises(ModelError, match="too large for float16"):
        with_half_weights(tmp_path / "large.onnx", tmp_path / "out.onnx")


def test_what_cannot_be_quantised_is_a_readable_error(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_text("no model")
    with pytest.raises(ModelError, match=r"bad\.onnx: cannot be quantised"):
        quantise(tmp_path / "bad.onnx", tmp_path / "out.onnx", np.zeros((2, 1, SIZE, SIZE), np.uint8))


# variants as models


@pytest.mark.parametrize("name", NAMES)
def test_a_variant_is_a_model_like_any_other(name: str, model: Path, variants: dict[str, Path], data: Dataset) -> None:
    before, after = open_engine(model, "onnxruntime"), open_engine(variants[name], "onnxruntime")
    assert after.spec.version == f"{before.spec.version}+{name}"
    ignored = {"version", "temperature"}
    assert after.spec.model_dump(exclude=ignored) == before.spec.model_dump(exclude=ignored)
    assert after.digest != before.digest
    images = data.images[:, None]
    ours, theirs = before.run(images), after.run(images)
    assert theirs.embedding.shape == ours.embedding.shape
    correlation = np.corrcoef(ours.embedding.ravel(), theirs.embedding.ravel())[0, 1]
    assert correlation > 0.99
    np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=0.1)
    for size in (1, 7, 64):
        parts = [after.run(images[start : start + size]) for start in range(0, len(images), size)]
        np.testing.assert_array_equal(theirs.probabilities, np.concatenate([part.probabilities for part in parts]))


def test_probabilities_stay_as_sure_as_they_were(model: Path, data: Dataset, tmp_path: Path) -> None:
    """A network whose logits are three times as large gets three times the temperature."""
    proto = onnx.load(model)
    head = next(node for node in proto.graph.node if "logits" in node.output)
    for tensor in proto.graph.initializer:
        if tensor.name in head.input:
            tensor.CopyFrom(numpy_helper.from_array(3 * numpy_helper.to_array(tensor), tensor.name))
    onnx.save(proto, tmp_path / "loud.onnx")
    assert scale_of_logits(model, tmp_path / "loud.onnx", data.images[:20, None]) == pytest.approx(3, rel=1e-4)


# the gate


def evaluation(accuracy: float, ece: float) -> Evaluation:
    return Evaluation(1000, accuracy, accuracy, ece, (), ())


@pytest.mark.parametrize(
    ("accuracy", "ece", "refused"),
    [
        (0.99, 0.01, None),
        (0.995, 0.02, None),
        (0.989, 0.02, None),
        (0.9885, 0.01, "0.15 points of accuracy lost, 0.10 allowed"),
        (0.99, 0.0201, "ECE 0.0101 above"),
    ],
)
def test_the_gate(accuracy: float, ece: float, refused: str | None) -> None:
    why = faster.refusal(evaluation(0.99, 0.01), evaluation(accuracy, ece))
    assert why is None if refused is None else why is not None and why.startswith(refused)


def test_a_variant_that_loses_accuracy_is_measured_refused_and_not_kept(
    model: Path, data: Dataset, tmp_path: Path
) -> None:
    """Calibrated on empty grey pictures, it has not seen how large its maps become, and cuts them off."""
    draft, out = tmp_path / "draft", tmp_path / "out"
    draft.mkdir()
    out.mkdir()
    path = draft / "model.blind.onnx"
    quantise(model, path, np.full((8, 1, SIZE, SIZE), 128, np.uint8))
    (out / path.name).write_text("from an earlier run")
    blind = Variant("blind", path, ("onnxruntime",))
    _, held_out = split(data)
    rows = faster.measure(model, [blind], data.images[held_out][:, None], data.labels[held_out], rounds=1)
    row = rows[-1]
    assert row.change is not None
    assert row.change < -0.001
    assert row.problem is not None
    assert "points of accuracy lost" in row.problem
    assert faster.keep([blind], rows, out) == {}
    assert list(out.iterdir()) == []


def test_the_shipped_model_calibrated_on_black_pictures_is_refused(neu_dir: Path, tmp_path: Path) -> None:
    model = resolve("ssdc_mininet")
    real = load_folder(neu_dir, open_engine(model).spec.input_size)
    reference = figures(open_engine(model, "onnxruntime"), real)
    training, _ = split(real)
    for pictures, good in ((real.images[training[::10]], True), (np.zeros_like(real.images[:8]), False)):
        quantise(model, tmp_path / "out.onnx", pictures[:, None])
        refused = faster.refusal(reference, figures(open_engine(tmp_path / "out.onnx", "onnxruntime"), real))
        assert (refused is None) == good


def test_one_engine_that_refuses_is_enough(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_text("x")
    rows = [faster.Row("v", "a", accuracy=1.0), faster.Row("v", "b", accuracy=0.5, problem="accuracy lost")]
    (tmp_path / "out").mkdir()
    assert faster.keep([Variant("v", tmp_path / "m.onnx")], rows, tmp_path / "out") == {}


# the whole


@pytest.fixture(scope="module")
def exported(model: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[faster.Faster, Path]:
    out = tmp_path_factory.mktemp("exported") / "new"
    return faster.export_faster(model, folder, out, rounds=2), out


def test_what_is_kept_is_as_good_and_nothing_else_is_left(
    exported: tuple[faster.Faster, Path], model: Path, data: Dataset
) -> None:
    result, out = exported
    assert sorted(out.iterdir()) == sorted(result.kept.values())
    assert {"f16", "int8-minmax"} <= set(result.kept) <= set(NAMES)
    reference = figures(open_engine(model, "onnxruntime"), data)
    for name, path in result.kept.items():
        assert path.name == f"ssdc_mininet.{name}.onnx"
        assert figures(open_engine(path), data).accuracy >= reference.accuracy - 0.001


def test_every_variant_is_measured_on_every_engine_it_is_for(exported: tuple[faster.Faster, Path]) -> None:
    result, _ = exported
    measured = [row for row in result.rows if row.accuracy is not None]
    kinds = {(row.variant, row.engine.split()[0]) for row in measured}
    assert {(name, "onnxruntime") for name in ("f32", "f16", "int8-minmax", "int8-percentile")} <= kinds
    assert ("bf16", "onnxruntime") not in kinds
    if HAS_OPENVINO:
        assert {(name, "openvino") for name in ("f32", "f16", "int8-minmax", "int8-percentile")} <= kinds
    assert result.rows[0].ratio == 1.0
    assert all(row.images_per_second and row.ratio for row in measured)
    assert (result.held_out, result.calibration) == (24, 96)
    json.dumps(result.to_dict())


def test_calibration_sees_no_held_out_image(
    model: Path, folder: Path, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def watch(source: Path, images: np.ndarray, *rest: object) -> list[Variant]:
        seen.extend(image.tobytes() for image in images)
        return []

    monkeypatch.setattr(faster, "make_variants", watch)
    faster.export_faster(model, folder, tmp_path / "out", seed=3, rounds=1)
    training, held_out = split(data, seed=3)
    assert set(seen) == {data.images[i].tobytes() for i in training}
    assert not set(seen) & {data.images[i].tobytes() for i in held_out}


def test_without_openvino_the_rest_is_still_made(
    model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    result = faster.export_faster(model, folder, tmp_path, rounds=1)
    missing = [row for row in result.rows if row.engine == "openvino"]
    assert len(missing) == 5
    assert all(row.problem and "steelflow[openvino]" in row.problem for row in missing)
    assert "bf16" not in result.kept
    assert "int8-minmax" in result.kept


def test_images_of_other_classes_are_refused(model: Path, folder: Path, tmp_path: Path) -> None:
    for name in CLASSES[:2]:
        (tmp_path / "data" / name).mkdir(parents=True)
        for file in sorted((folder / name).iterdir())[:2]:
            (tmp_path / "data" / name / file.name).write_bytes(file.read_bytes())
    with pytest.raises(DataError, match=r"has classes crazing, patches, but ssdc_mininet has"):
        faster.export_faster(model, tmp_path / "data", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command(model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)  # faster so
    app = typer.Typer()
    app.command()(export)
    arguments = [str(model), "--data", str(folder), "--out", str(tmp_path), "--rounds", "1"]
    text = CliRunner().invoke(app, arguments)
    assert text.exit_code == 0, text.output
    assert "int8-minmax" in text.stdout
    assert "fastest: --model" in text.stdout
    answer = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert answer["rows"][0]["variant"] == "f32"
    assert all(Path(path).is_file() for path in answer["kept"].values())


def test_metadata_is_added_and_replaced(model: Path, tmp_path: Path) -> None:
    with_metadata(model, tmp_path / "a.onnx", {"one": "1"})
    with_metadata(tmp_path / "a.onnx", tmp_path / "a.onnx", {"one": "2", "two": "3"})
    before = {entry.key: entry.value for entry in onnx.load(model).metadata_props}
    after = {entry.key: entry.value for entry in onnx.load(tmp_path / "a.onnx").metadata_props}
    assert after == before | {"one": "2", "two": "3"}
