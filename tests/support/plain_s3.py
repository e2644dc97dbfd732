"""A small S3 server over HTTP. It lists and gives objects; it checks keys and tokens; what it says can be changed.

with PlainS3({"a.jpg": data}) as server:
    server.answers["a.jpg"] = refusal(403, "InvalidObjectState")
    store = open_store("s3://images", server.settings)
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from pydantic import SecretStr
from s3_server import Served, error, etag, listed_folder, listed_object, xml

from steelflow.config import StoreSettings

KEY, SECRET = "AKIATEST", "tHiS-iS-nObOdY's-BuSiNeSs"


@dataclass(frozen=True, slots=True)
class Answer:
    """``headers`` are added to those of a plain answer, and replace them. ``stated`` is a wrong Content-Length."""

    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def refusal(status: int, code: str, more: str = "", **headers: str) -> Answer:
    return Answer(status, error(code, more), {"Content-Type": "application/xml", **headers})


class PlainS3(Served):
    """``answers`` has, by key, what is said about an object instead of its bytes or beside them; the key "" is for
    lists, and "*" for every request. ``before`` is called with the key before an object is given.

    ``tokens`` are the session tokens that are accepted; if it is empty, none is asked for. ``asked`` has the requests.
    ``uploads`` has the begin of unfinished multipart uploads by key and id; they are listed two at a time.
    The server also gives keys with the last of ``given``: to a web identity (POST), and to a container at ``/keys``.
    """

    def __init__(self, objects: Mapping[str, bytes], bucket: str = "images") -> None:
        super().__init__(_Handler)
        self.objects = dict(objects)
        self.bucket = bucket
        self.answers: dict[str, Answer] = {}
        self.before: Callable[[str], object] = lambda key: None
        self.tokens: set[str] = set()
        self.given: list[str] = []
        self.uploads: dict[tuple[str, str], dt.datetime] = {}
        self.expires = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    @property
    def settings(self) -> StoreSettings:
        return StoreSettings(endpoint=self.endpoint, access_key=KEY, secret_key=SecretStr(SECRET), retries=1)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_HEAD(self) -> None:
        self._handle()

    def do_GET(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        """Abort a multipart upload."""
        url = urlsplit(self.path)
        key, (upload,) = unquote(url.path).lstrip("/").partition("/")[2], parse_qs(url.query)["uploadId"]
        gone = self.server.s3.uploads.pop((key, upload), None)
        self._say(Answer(204) if gone else refusal(404, "NoSuchUpload"), b"")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.s3.asked.append(("POST", self.path, dict(self.headers)))
        keys = (("AccessKeyId", KEY), ("SecretAccessKey", SECRET), ("SessionToken", self.server.s3.given[-1]))
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in (*keys, ("Expiration", self._expires())))
        space = "https://sts.amazonaws.com/doc/2011-06-15/"
        result = "".join(
            f"<{name}Result><Credentials>{inner}</Credentials></{name}Result>"
            for name in ("AssumeRoleWithWebIdentity", "AssumeRole")
        )
        name = "AssumeRoleWithWebIdentity" if "WebIdentity" in self.path else "AssumeRole"
        self._say(Answer(), f"<{name}Response xmlns='{space}'>{result}</{name}Response>".encode())

    def _expires(self) -> str:
        return f"{self.server.s3.expires:%Y-%m-%dT%H:%M:%SZ}"

    def _handle(self) -> None:
        s3 = self.server.s3
        url = urlsplit(self.path)
        if url.path == "/keys":
            keys = {"AccessKeyId": KEY, "SecretAccessKey": SECRET, "Token": s3.given[-1], "Expiration": self._expires()}
            self._say(Answer(), json.dumps(keys).encode())
            return
        path = unquote(url.path).lstrip("/")
        if self.headers.get("Host", "").startswith(f"{s3.bucket}."):
            path = f"{s3.bucket}/{path}"
        bucket, _, key = path.partition("/")
        s3.asked.append((self.command, path, dict(self.headers)))
        refused = self._refused() or s3.answers.get("*")
        if refused is not None:
            self._say(refused, b"")
        elif bucket != s3.bucket:
            self._say(refusal(404, "NoSuchBucket"), b"")
        elif not key and "uploads" in parse_qs(url.query, keep_blank_values=True):
            self._say(Answer(), self._unfinished(parse_qs(url.query)), {"Content-Type": "text/xml"})
        elif not key:
            self._say(s3.answers.get("", Answer()), self._listed(parse_qs(url.query)), {"Content-Type": "text/xml"})
        else:
            self._object(key)

    def _object(self, key: str) -> None:
        s3 = self.server.s3
        s3.before(key)
        answer = s3.answers.get(key, Answer())
        if key not in s3.objects:
            self._say(refusal(404, "NoSuchKey"), b"")
        elif answer.status >= 300:
            self._say(answer, b"")
        elif (wanted := self.headers.get("If-Match")) and wanted != etag(s3.objects[key]):
            self._say(refusal(412, "PreconditionFailed"), b"")
        else:
            data = s3.objects[key]
            headers = {"ETag": etag(data), "Last-Modified": "Thu, 26 Nov 2026 21:31:31 GMT"}
            status = 200
            if found := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
                start, end = int(found[1]), min(int(found[2] or len(data)), len(data) - 1)
                headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
                data, status = data[start : end + 1], 206
            self._say(Answer(status, answer.body, answer.headers), data, headers)

    def _refused(self) -> Answer | None:
        s3, said = self.server.s3, self.headers.get("Authorization", "")
        if f"Credential={KEY}/" not in said:
            return refusal(403, "InvalidAccessKeyId" if said else "AccessDenied")
        token = self.headers.get("x-amz-security-token")
        if s3.tokens and token not in s3.tokens:
            return refusal(400, "ExpiredToken", f"<Token-0>{token}</Token-0>")
        return None

    def _unfinished(self, query: dict[str, list[str]]) -> bytes:
        prefix, after = query.get("prefix", [""])[0], query.get("key-marker", [""])[0]
        found = sorted(one for one in self.server.s3.uploads.items() if one[0][0].startswith(prefix))
        left = [one for one in found if one[0][0] > after]
        items = "".join(
            f"<Upload><Key>{escape(key)}</Key><UploadId>{upload}</UploadId><Initiated>{begun:%Y-%m-%dT%H:%M:%S}.000Z"
            "</Initiated></Upload>"
            for (key, upload), begun in left[:2]
        )
        more = f"<NextKeyMarker>{escape(left[1][0][0])}</NextKeyMarker>" if len(left) > 2 else ""
        head = f"<IsTruncated>{str(bool(more)).lower()}</IsTruncated>{more}"
        return xml("ListMultipartUploadsResult", head + items)

    def _listed(self, query: dict[str, list[str]]) -> bytes:
        s3 = self.server.s3
        prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
        keys = sorted(key for key in s3.objects if key.startswith(prefix))
        folders = set()
        if delimiter:
            folders = {prefix + key[len(prefix) :].split("/")[0] + "/" for key in keys if "/" in key[len(prefix) :]}
            keys = [key for key in keys if "/" not in key[len(prefix) :]]
        when = dt.datetime(2026, 11, 26, tzinfo=dt.UTC).isoformat().replace("+00:00", "Z")
        items = "".join(listed_object(key, s3.objects[key], when) for key in keys)
        items += "".join(map(listed_folder, sorted(folders)))
        head = (
            f"<Name>{s3.bucket}</Name><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>"
            f"<Prefix>{escape(quote(prefix))}</Prefix><KeyCount>{len(keys)}</KeyCount>"
        )
        return xml("ListBucketResult", head + items)

    def _say(self, answer: Answer, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        body = body if answer.body is None else answer.body
        self.send_response(answer.status)
        said = {"Content-Length": str(len(body)), **(headers or {}), **answer.headers}
        for name, value in said.items():
            if value:
                self.send_header(name, value)
        if said["Content-Length"] != str(len(body)):
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass
