"""A small S3 server in memory that can be made to lie, in one way at a time.

with LyingS3("delimiter") as server:
    store = open_store("s3://images", server.settings)
"""

from __future__ import annotations

import datetime as dt
import email.utils
import re
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from pydantic import SecretStr
from s3_server import Served, error, etag, listed_folder, listed_object, xml

from steelflow.config import StoreSettings

BUCKET = "images"
AHEAD = dt.timedelta(hours=3)


class LyingS3(Served):
    """``lie`` is what the server does wrong; None: nothing."""

    def __init__(self, lie: str | None = None) -> None:
        super().__init__(_Handler)
        self.lie = lie
        self.objects: dict[str, bytes] = {}
        self.lock = threading.Lock()

    @property
    def settings(self) -> StoreSettings:
        return StoreSettings(endpoint=self.endpoint, access_key="key", secret_key=SecretStr("secret"), retries=1)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).lstrip("/").removeprefix(BUCKET).lstrip("/")

    def do_PUT(self) -> None:
        s3, key = self.server.s3, self._key()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with s3.lock:
            exists, conditional = key in s3.objects, self.headers.get("If-None-Match") == "*"
            if conditional and s3.lie == "condition-unknown":
                return self._refuse(501, "NotImplemented")
            refused = conditional and (exists or s3.lie == "condition-refuses-all") and s3.lie != "condition-ignored"
            stale = exists and s3.lie == "stale" and not conditional
            if (not refused or s3.lie == "condition-refused-and-done") and not stale:
                s3.objects[key] = body
        if refused:
            return self._refuse(412, "PreconditionFailed")
        return self._say(200, b"", ETag=etag(body))

    def do_DELETE(self) -> None:
        self.server.s3.objects.pop(self._key(), None)
        self._say(204, b"")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        s3, key = self.server.s3, self._key()
        if not key:
            return self._say(200, self._listed(parse_qs(urlsplit(self.path).query)), **{"Content-Type": "text/xml"})
        data = s3.objects.get(key)
        if data is None:
            return self._refuse(404, "NoSuchKey")
        told = {"ETag": etag(data), "Last-Modified": email.utils.format_datetime(self._now(), usegmt=True)}
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if found is None or s3.lie == "ranges-ignored":
            return self._say(200, data, **told)
        start, end = int(found[1]), min(int(found[2] or len(data)), len(data) - 1)
        if start >= len(data):
            return self._refuse(416, "InvalidRange")
        told["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
        shift = 1 if s3.lie == "ranges-shifted" and start else 0
        return self._say(206, data[start - shift : end + 1 - shift], **told)

    def _now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + (AHEAD if self.server.s3.lie == "clock" else dt.timedelta(0))

    def _listed(self, query: dict[str, list[str]]) -> bytes:
        s3 = self.server.s3
        prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
        size = int(query.get("max-keys", ["1000"])[0])
        after = query.get("continuation-token", query.get("start-after", [""]))[0]
        names: dict[str, bool] = {}
        for key in sorted(s3.objects):
            if not key.startswith(prefix) or (s3.lie == "late" and "/probe/" in key):
                continue
            folder, slash, _ = key[len(prefix) :].partition("/")
            if delimiter and slash and s3.lie != "delimiter-ignored":
                names[f"{prefix}{folder}/"] = True
            else:
                names[key] = False
        if delimiter and s3.lie == "delimiter":
            names = {name: folder for name, folder in names.items() if not folder}
        whole = [name for name in names if s3.lie == "pages-repeated" or name > after]
        page = whole[:size]
        more = len(whole) > len(page) and s3.lie != "pages-end"
        items = "".join(self._item(name, names[name]) for name in page)
        items += items if s3.lie == "twice" else ""
        head = f"<Name>{BUCKET}</Name><IsTruncated>{str(more).lower()}</IsTruncated><EncodingType>url</EncodingType>"
        head += f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        return xml("ListBucketResult", head + items)

    def _item(self, name: str, folder: bool) -> str:
        if folder:
            return listed_folder(name)
        data = self.server.s3.objects[name]
        size = len(data) + (self.server.s3.lie == "size")
        return listed_object(name, data, f"{self._now():%Y-%m-%dT%H:%M:%S.000Z}", size)

    def _refuse(self, status: int, code: str) -> None:
        self._say(status, error(code), **{"Content-Type": "application/xml"})

    def _say(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass
