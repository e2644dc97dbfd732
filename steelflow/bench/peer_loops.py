"""Other programs' loops over the same pictures, each as its own documentation advises for this work.

``python -m steelflow.bench.peer_loops PEER SOURCE MODEL SIZE OUT`` classifies the JPEGs below SOURCE (a folder or
``s3://bucket``), which are files or in tars. It writes OUT as Parquet, and prints the seconds from the listing to the
closed file. Imports and the model's loading come before. All decode with simplejpeg to grey and resize by area with
OpenCV, as steelflow does.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import tarfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import polars as pl
import simplejpeg

from steelflow.bench.peer_sources import ahead, listed, read, read_many

BATCH = 64
Pictures = npt.NDArray[np.uint8]


def picture(data: bytes, size: int) -> Pictures:
    """A JPEG as the model's picture, uint8 (1, size, size)."""
    grey = simplejpeg.decode_jpeg(data, colorspace="GRAY")[:, :, 0]
    return np.asarray(cv2.resize(grey, (size, size), interpolation=cv2.INTER_AREA), np.uint8)[None]


def members(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each file of a tar."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            if (file := tar.extractfile(member)) is not None:
                yield member.name, file.read()


class Classifier:
    """The model on onnxruntime with one thread."""

    def __init__(self, model: str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def __call__(self, images: Pictures) -> npt.NDArray[np.float32]:
        logits: npt.NDArray[np.float32] = self._session.run(["logits"], {"image": images})[0]
        return logits


class Files:
    """Batches of files: an item is the names and pictures of one batch."""

    def __init__(self, files: list[str], size: int) -> None:
        self._files, self._size = files, size

    def __len__(self) -> int:
        return -(-len(self._files) // BATCH)

    def __getitem__(self, index: int) -> tuple[list[str], Pictures]:
        if index >= len(self):
            raise IndexError
        part = self._files[index * BATCH : (index + 1) * BATCH]
        return part, np.stack([picture(data, self._size) for data in read_many(part)])


def _shared(tars: list[str], size: int) -> Any:
    """The tars as an iterable data set of PyTorch: each worker reads its share of them."""
    from torch.utils.data import IterableDataset, get_worker_info

    class Tars(IterableDataset[Any]):
        def __iter__(self) -> Iterator[tuple[list[str], Pictures]]:
            info = get_worker_info()
            first, step = (0, 1) if info is None else (info.id, info.num_workers)
            found = (pair for _, data in ahead(tars[first::step]) for pair in members(data))
            yield from _batches(((name, picture(data, size)) for name, data in found))

    return Tars()


def _batches(pairs: Iterable[tuple[str, Pictures]]) -> Iterator[tuple[list[str], Pictures]]:
    names: list[str] = []
    images: list[Pictures] = []
    for name, image in pairs:
        names.append(name)
        images.append(image)
        if len(names) == BATCH:
            yield names, np.stack(images)
            names, images = [], []
    if names:
        yield names, np.stack(images)


def _stacked(part: list[tuple[str, Pictures]]) -> tuple[list[str], Pictures]:
    return [name for name, _ in part], np.stack([image for _, image in part])


def _one_thread(_: int) -> None:
    cv2.setNumThreads(1)


def dataloader(files: list[str], tars: list[str], size: int) -> Iterable[tuple[list[str], Pictures]]:
    """PyTorch's DataLoader: a worker per core makes whole batches, so nothing is collated in the main process."""
    from torch.utils.data import DataLoader

    loader: Any = DataLoader(
        _shared(tars, size) if tars else Files(files, size),  # type: ignore[arg-type]  # any sequence will do
        batch_size=None,
        num_workers=_workers(),
        prefetch_factor=4,
        worker_init_fn=_one_thread,
        multiprocessing_context="fork",
    )
    return ((names, np.asarray(images)) for names, images in loader)


def webdataset(files: list[str], tars: list[str], size: int) -> Iterable[tuple[list[str], Pictures]]:
    """WebDataset, which reads tars: decoding and batching in its workers."""
    import webdataset as wds

    if not tars:
        raise SystemExit(f"WebDataset reads tars, not {len(files)} files")
    wds.gopen_schemes["s3"] = lambda url, *_: io.BytesIO(read(url))
    made = wds.WebDataset(tars, shardshuffle=False, nodesplitter=None, empty_check=False)
    pairs = made.map(lambda item: (item["__key__"], picture(item["jpg"], size)))
    batched = pairs.batched(BATCH, partial=True, collation_fn=_stacked)
    loader: Iterable[tuple[list[str], Pictures]] = wds.WebLoader(
        batched, batch_size=None, num_workers=_workers(), worker_init_fn=_one_thread
    )
    return loader


def ray_data(files: list[str], tars: list[str], size: int) -> Iterable[tuple[list[str], Pictures]]:
    """Ray Data: tasks on all cores read and decode."""
    import ray

    if not ray.is_initialized():
        ray.init(num_cpus=_workers(), include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    paths = tars or files

    def taken(row: dict[str, Any]) -> dict[str, Any]:
        pairs = list(members(read(row["item"])))
        return {"names": [name for name, _ in pairs], "images": np.stack([picture(data, size) for _, data in pairs])}

    def many(rows: dict[str, Any]) -> dict[str, Any]:
        names = [str(path) for path in rows["item"]]
        return {"name": names, "image": np.stack([picture(data, size) for data in read_many(names)])}

    made = ray.data.from_items([str(path) for path in paths])
    if tars:
        for row in made.map(taken).iter_rows():
            for start in range(0, len(row["names"]), BATCH):
                yield list(row["names"][start : start + BATCH]), row["images"][start : start + BATCH]
        return
    for part in made.map_batches(many, batch_size=512).iter_batches(batch_size=BATCH):
        yield [str(name) for name in part["name"]], np.asarray(part["image"], np.uint8)


def daft(files: list[str], tars: list[str], size: int) -> Iterable[tuple[list[str], Pictures]]:
    """Daft: the paths as a column, decoded by a function of batches."""
    import daft as dft

    if tars:
        raise SystemExit("Daft reads files, not tars")

    @dft.udf(return_dtype=dft.DataType.binary())  # type: ignore[untyped-decorator]  # it has no types
    def made(paths: Any) -> list[bytes]:
        return [picture(data, size).tobytes() for data in read_many(paths.to_pylist())]

    frame = dft.from_pydict({"path": files}).with_column("image", made(dft.col("path")))
    for part in frame.to_arrow_iter():
        names = part.column("path").to_pylist()
        images = np.frombuffer(b"".join(part.column("image").to_pylist()), np.uint8).reshape(-1, 1, size, size)
        for start in range(0, len(names), BATCH):
            yield names[start : start + BATCH], images[start : start + BATCH]


LOOPS = {"DataLoader": dataloader, "WebDataset": webdataset, "Daft": daft, "Ray Data": ray_data}
PACKAGES = {"DataLoader": "torch", "WebDataset": "webdataset", "Daft": "daft", "Ray Data": "ray"}
READS = {"DataLoader": ("loose", "tars"), "WebDataset": ("tars",), "Daft": ("loose",), "Ray Data": ("loose", "tars")}
"""What each of them is made for."""


def _workers() -> int:
    return len(os.sched_getaffinity(0))


def classify(peer: str, source: str, model: str, size: int, out: Path) -> float:
    """Classify with one of ``LOOPS`` and write ``out``: ``name`` (of the file, without folders) and a column per logit.
    Returns the seconds from the listing on."""
    classifier = Classifier(model)
    classifier(np.zeros((BATCH, 1, size, size), np.uint8))
    _one_thread(0)
    started = time.perf_counter()
    names: list[str] = []
    logits = []
    tars = listed(source, ".tar")
    files = [] if tars else listed(source, ".jpg")
    for part, images in LOOPS[peer](files, tars, size):
        names += part
        logits.append(classifier(np.asarray(images, np.uint8)))
    every = np.concatenate(logits)
    columns = {f"logit_{number}": every[:, number] for number in range(every.shape[1])}
    buffer = io.BytesIO()
    pl.DataFrame({"name": [Path(name).stem for name in names], **columns}).write_parquet(buffer)
    out.write_bytes(buffer.getvalue())
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.stdout.write(str(classify(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), Path(sys.argv[5]))))
