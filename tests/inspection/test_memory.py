"""The memory of a night of huge pictures stays within the setting and a constant (docs/formats.md)."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from paths import SUPPORT
from PIL import Image
from pixels import chunk

from steelflow.config import MIB

SIDE = 10_000
LIMIT, CONSTANT = 1024, 768  # MiB
RUN = """
import json, sys
from pathlib import Path
from steelflow.config import ModelSettings, Settings
from steelflow.inspection.infer import inspect_source
from steelflow.inspection.runtime import prepare
prepare()
source, out = sys.argv[1:]
model = ModelSettings(batch_size=16, workers=8, memory_limit_mib=1024)
result = inspect_source(source, out, Settings(home=Path(out) / "home", model=model))
status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps([result.images, result.ok, int(status["VmHWM"].split()[0])]))
"""


def wide_png() -> bytes:
    """A hundred million pixels of 16 bits."""
    row = b"\0" + np.linspace(0, 65535, SIDE).astype(">u2").tobytes()
    packer = zlib.compressobj(1)
    pixels = b"".join(packer.compress(row) for _ in range(SIDE)) + packer.flush()
    head = SIDE.to_bytes(4, "big") * 2 + b"\x10\0\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def float_tiff(side: int) -> bytes:
    values = np.repeat(np.linspace(0, 1, side, dtype=np.float32)[None], side, 0)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "TIFF", compression="tiff_deflate")
    return buffer.getvalue()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_huge_pictures_at_once(tmp_path: Path) -> None:
    source = tmp_path / "images"
    source.mkdir()
    png, tiff = wide_png(), float_tiff(SIDE // 2)
    for number in range(10):
        (source / f"{number}.png").write_bytes(png)
        (source / f"{number}.tif").write_bytes(tiff)
    (source / "too-large.tif").write_bytes(float_tiff(SIDE))
    done = subprocess.run(
        (sys.executable, "-c", RUN, str(source), str(tmp_path / "out")), cwd=SUPPORT, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    images, ok, peak = json.loads(done.stdout)
    assert (images, ok) == (21, 20)
    assert peak * 1024 < (LIMIT + CONSTANT) * MIB, f"{peak // 1024} MiB"
