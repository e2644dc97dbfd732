"""A hostile model is refused before a session is made of it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelflow.engine import open_engine
from steelflow.engine.onnx import read
from steelflow.engine.structure import MOST_NODES, check_structure
from steelflow.errors import ModelError
from steelflow.models import weights_file

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402  after the check that it is installed

PICTURE = helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 1, 8, 8])
OUT = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)


def model(*nodes: object, initializers: tuple[object, ...] = (), domain: str = "") -> bytes:
    graph = helper.make_graph(list(nodes), "g", [PICTURE], [OUT], list(initializers))
    imports = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return bytes(helper.make_model(graph, opset_imports=imports).SerializeToString())


def constant(name: str, values: list[int]) -> object:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def elsewhere() -> object:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


BODY = helper.make_graph([helper.make_node("Identity", ["c"], ["d"])], "body", [], [OUT])
CAST = helper.make_node("Cast", ["image"], ["out"], to=TensorProto.FLOAT)
HUGE = [100_000, 100_000, 10]
HOSTILE = {
    "loop": (model(helper.make_node("Loop", ["", ""], ["out"], body=BODY)), "graph within a graph"),
    "scan": (model(helper.make_node("Scan", ["image"], ["out"], body=BODY, num_scan_inputs=1)), "graph within a graph"),
    "a loop without a body": (model(helper.make_node("Loop", ["image"], ["out"])), "Loop: loops and conditions"),
    "another library": (model(helper.make_node("Run", ["image"], ["out"], domain="evil"), domain="evil"), "'evil'"),
    "weights in other files": (model(CAST, initializers=(elsewhere(),)), "in other files"),
    "a huge constant": (
        model(helper.make_node("ConstantOfShape", ["s"], ["out"]), initializers=(constant("s", HUGE),)),
        "ConstantOfShape",
    ),
    "expanded by a constant node": (
        model(
            helper.make_node("Constant", [], ["s"], value=numpy_helper.from_array(np.array(HUGE, np.int64))),
            helper.make_node("Expand", ["image", "s"], ["out"]),
        ),
        "Expand",
    ),
    "too many operators": (model(*[CAST] * (MOST_NODES + 1)), "more than 100,000 operators"),
    "cut": (model(CAST)[:-5], "damaged"),
    "text": (b"not a model at all", "damaged"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_model_is_refused_with_a_reason(case: str, tmp_path: Path) -> None:
    content, reason = HOSTILE[case]
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=reason):
        open_engine(path)


def test_a_sparse_file_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        os.truncate(file.fileno(), 6 << 30)
    with pytest.raises(ModelError, match="6,442,450,944 bytes, the limit is"):
        open_engine(path)


def test_the_models_that_ship_are_sound() -> None:
    shipped = sorted(Path(weights_file.__file__).parents[1].joinpath("weights").glob("*.onnx"))
    assert shipped
    for path in shipped:
        assert read(path)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200), st.integers(0, 10_000))
def test_no_bytes_do_more_than_be_refused(noise: bytes, place: int) -> None:
    whole = model(CAST)
    at = place % len(whole)
    for content in (noise, whole[:at] + noise + whole[at:]):
        with contextlib.suppress(ModelError):
            check_structure(content, Path("model.onnx"))
