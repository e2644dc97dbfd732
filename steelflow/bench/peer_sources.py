"""Where other programs read: a folder, or a bucket of an S3 server through the clients that they would take.

A bucket is listed with minio, whose connections survive the fork of workers, and read with obstore, the fastest client
that Python has; each process opens its own. Address and keys come from the environment (``AWS_ENDPOINT_URL``,
``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_REQUESTS = 16  # at a time in each process, as many as steelflow makes
_S3 = "s3://"


def listed(source: str, ending: str) -> list[str]:
    """All files below a folder, or objects of ``s3://bucket``, whose names end so, in order."""
    if not source.startswith(_S3):
        return sorted(map(str, Path(source).rglob(f"*{ending}")))
    from minio import Minio

    address = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    client = Minio(
        endpoint=address.netloc,
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        region="us-east-1",
        secure=address.scheme == "https",
    )
    names = (str(found.object_name) for found in client.list_objects(source.removeprefix(_S3), recursive=True))
    return sorted(f"{source}/{name}" for name in names if name.endswith(ending))


def read(name: str) -> bytes:
    """One file or object."""
    if not name.startswith(_S3):
        return Path(name).read_bytes()
    bucket, _, key = name.removeprefix(_S3).partition("/")
    return bytes(_store(bucket, os.getpid()).get(key).bytes())


def read_many(names: Sequence[str]) -> list[bytes]:
    """Files one after the other, objects side by side."""
    if not names or not names[0].startswith(_S3):
        return [read(name) for name in names]
    return list(_pool(os.getpid()).map(read, names))


def ahead(names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Large objects by name; the next one is read while the last one is used."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(read, names[0]) if names else None
        for position, name in enumerate(names):
            assert waiting is not None
            data = waiting.result()
            waiting = pool.submit(read, names[position + 1]) if position + 1 < len(names) else None
            yield name, data


@cache
def _store(bucket: str, _process: int) -> Any:
    from obstore.store import S3Store

    return S3Store(
        bucket,
        endpoint=os.environ["AWS_ENDPOINT_URL"],
        access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        region="us-east-1",
        client_options={"allow_http": True},
    )


@cache
def _pool(_process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_REQUESTS)
