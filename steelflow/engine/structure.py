"""What an ONNX file asks for, checked before a session is made of it: a session runs parts of the network at once.

The file is read field by field, without a library that unpacks it.

Source: the ONNX intermediate representation, ``onnx.proto3`` (field numbers), and the encoding of protocol buffers.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path

from steelflow.errors import ModelError

MOST_BYTES = 1 << 30
MOST_NODES = 100_000

_MOST_VALUES = 1 << 28  # of a tensor that the file makes out of a few numbers: a gigabyte of float32
_FEW = 16  # numbers that are a shape
_REFUSED = frozenset(("Loop", "Scan", "If", "SequenceMap", "StringSplit", "RegexFullMatch"))
_SIZED = frozenset(("ConstantOfShape", "Expand", "Tile", "Range", "Resize", "Upsample", "Pad", "CenterCropPad"))
_DOMAINS = frozenset(("", "ai.onnx", "com.microsoft"))
_GRAPH, _FUNCTION = 7, 25
_NODE, _INITIALIZER, _FUNCTION_NODE = 1, 5, 7
_INPUT, _OUTPUT, _OPERATOR, _ATTRIBUTE, _DOMAIN = 1, 2, 4, 5, 7
_TENSOR, _SUBGRAPH, _SUBGRAPHS = 5, 6, 11
_TYPE, _INT64S, _NAME, _RAW, _LOCATION = 2, 7, 8, 9, 14
_INT64, _FLOAT = 7, 1

Field = tuple[int, int | memoryview]


def check_structure(content: bytes, path: Path) -> None:
    """Raises ``ModelError`` for a file that is damaged, or has loops or conditions, operators of unknown libraries, too
    many operators, weights in other files, or huge tensors that are made out of a few numbers."""
    try:
        seen = _Seen(path)
        for number, value in _fields(memoryview(content)):
            if number == _GRAPH and isinstance(value, memoryview):
                seen.graph(value)
            elif number == _FUNCTION and isinstance(value, memoryview):
                seen.nodes(value, _FUNCTION_NODE)
    except (ValueError, IndexError, struct.error) as exc:
        raise ModelError(f"{path}: not an ONNX model, or damaged; name a model that steelflow exported") from exc


class _Seen:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0
        self._numbers: dict[bytes, tuple[float, ...]] = {}

    def graph(self, graph: memoryview) -> None:
        for number, value in _fields(graph):
            if number == _INITIALIZER and isinstance(value, memoryview):
                self._tensor(value)
        self.nodes(graph, _NODE)

    def nodes(self, graph: memoryview, field: int) -> None:
        for number, value in _fields(graph):
            if number == field and isinstance(value, memoryview):
                self._node(value)

    def _node(self, node: memoryview) -> None:
        self._count += 1
        if self._count > MOST_NODES:
            self._refuse(f"has more than {MOST_NODES:,} operators")
        inputs: list[bytes] = []
        outputs: list[bytes] = []
        operator = domain = ""
        constants: list[tuple[float, ...]] = []
        for number, value in _fields(node):
            if not isinstance(value, memoryview):
                continue
            if number == _INPUT:
                inputs.append(bytes(value))
            elif number == _OUTPUT:
                outputs.append(bytes(value))
            elif number == _OPERATOR:
                operator = _text(value)
            elif number == _DOMAIN:
                domain = _text(value)
            elif number == _ATTRIBUTE:
                constants += self._attribute(value)
        if operator in _REFUSED:
            self._refuse(f"has the operator {operator}: loops and conditions are not run")
        if domain not in _DOMAINS:
            self._refuse(f"has an operator of {domain[:60]!r}, which is not known")
        if operator == "Constant" and outputs and constants:
            self._numbers[outputs[0]] = constants[0]
        if operator in _SIZED:
            for numbers in (*constants, *(self._numbers[name] for name in inputs if name in self._numbers)):
                if math.prod(max(1.0, abs(one)) for one in numbers) > _MOST_VALUES:
                    self._refuse(f"makes a tensor of {numbers} with {operator}")

    def _attribute(self, attribute: memoryview) -> Iterator[tuple[float, ...]]:
        for number, value in _fields(attribute):
            if number in (_SUBGRAPH, _SUBGRAPHS):
                self._refuse("has a graph within a graph: loops and conditions are not run")
            if number == _TENSOR and isinstance(value, memoryview):
                yield self._tensor(value)

    def _tensor(self, tensor: memoryview) -> tuple[float, ...]:
        """The numbers of a tensor that could be a shape or a scale."""
        name, kind = b"", 0
        numbers: tuple[float, ...] = ()
        raw = memoryview(b"")
        for number, value in _fields(tensor):
            if number == _LOCATION and value:
                self._refuse("keeps its weights in other files; export it as one file")
            elif number == _TYPE and isinstance(value, int):
                kind = value
            elif number == _NAME and isinstance(value, memoryview):
                name = bytes(value)
            elif number == _RAW and isinstance(value, memoryview):
                raw = value
            elif number == _INT64S and isinstance(value, memoryview) and len(value) <= 10 * _FEW:
                numbers = tuple(float(one) for one in _varints(value))
        width = {_INT64: 8, _FLOAT: 4}.get(kind, 0)
        if width and 0 < len(raw) <= width * _FEW and len(raw) % width == 0:
            numbers = struct.unpack(f"<{len(raw) // width}{'q' if kind == _INT64 else 'f'}", raw)
        self._numbers[name] = numbers
        return numbers

    def _refuse(self, what: str) -> None:
        raise ModelError(f"{self._path}: {what}; name a model that steelflow exported")


def _text(value: memoryview) -> str:
    return bytes(value[:200]).decode("utf-8", "replace")


def _fields(data: memoryview) -> Iterator[Field]:
    """(number, value) of the fields of a message: an integer, or the bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError("a group")
        if at + size > len(data):
            raise ValueError("cut")
        yield key >> 3, data[at : at + size]
        at += size


def _varints(data: memoryview) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value - (1 << 64) if value >> 63 else value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number without an end")
