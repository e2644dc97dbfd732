"""What a store may say about one object, and about every request. A new answer is one more entry."""

from __future__ import annotations

import gzip
from typing import NamedTuple

from archives import JPEG
from plain_s3 import Answer, refusal


class OneObject(NamedTuple):
    """``answer`` is what the store says about one object of a night; ``code`` is that of its row, or ``ok``."""

    answer: Answer
    code: str
    says: str = ""


ONE_OBJECT: dict[str, OneObject] = {
    "in cold storage": OneObject(refusal(403, "InvalidObjectState"), "cold_storage", "restore it"),
    "with a policy of its own": OneObject(refusal(403, "AccessDenied"), "denied", "policy (ACL)"),
    "denied without a word": OneObject(Answer(403, b""), "denied", "policy (ACL)"),
    "with a key that was switched off": OneObject(refusal(400, "KMS.DisabledException"), "denied", "KMS.Disabled"),
    "with a key that this user may not use": OneObject(refusal(403, "KMSAccessDenied"), "denied", "KMSAccessDenied"),
    "with the customer's own key": OneObject(
        Answer(400, refusal(400, "InvalidRequest", "<Detail>Encryption</Detail>").body), "denied", "InvalidRequest"
    ),
    "that the store has lost": OneObject(refusal(500, "InternalError"), "unreadable", "see the store's log"),
    "replaced at once": OneObject(Answer(headers={"ETag": '"another"'}), "ok"),  # its list says it was not
    "packed, as it says": OneObject(Answer(headers={"Content-Encoding": "gzip"}), "ok"),
    "packed in another way": OneObject(Answer(headers={"Content-Encoding": "br"}), "ok"),
    "uploaded in pieces": OneObject(Answer(headers={"Content-Encoding": "aws-chunked"}), "ok"),
    "called a page": OneObject(Answer(headers={"Content-Type": "text/html; charset=latin-9"}), "ok"),
    "without an etag": OneObject(Answer(headers={"ETag": ""}), "ok"),
    "with a date that no client reads": OneObject(Answer(headers={"Last-Modified": "gestern"}), "ok"),
    "to be saved": OneObject(Answer(headers={"Content-Disposition": "attachment", "Content-Language": "xx"}), "ok"),
    "shorter than it was": OneObject(Answer(body=JPEG[:100]), "changed", "100 bytes"),
    "packed since it was listed": OneObject(Answer(body=gzip.compress(JPEG)), "changed", "run again"),
}


class Everything(NamedTuple):
    """``answer`` is what the store says to every request; ``says`` is in the advice, ``never`` is not."""

    answer: Answer
    says: str
    never: str = "store.secret_key"


EVERYTHING: dict[str, Everything] = {
    "the clock": Everything(refusal(403, "RequestTimeTooSkewed"), "set the clock"),
    "the region": Everything(
        refusal(400, "AuthorizationHeaderMalformed", "<Region>eu-central-1</Region>"), "store.region = 'eu-central-1'"
    ),
    "another region": Everything(refusal(301, "PermanentRedirect"), "set store.region"),
    "an unknown key": Everything(refusal(403, "InvalidAccessKeyId"), "check store.access_key"),
    "a wrong secret": Everything(refusal(403, "SignatureDoesNotMatch"), "store.secret_key", "policy"),
    "expired keys": Everything(refusal(400, "ExpiredToken"), "have expired"),
    "another token": Everything(refusal(400, "InvalidToken"), "store.session_token"),
    "a closed account": Everything(refusal(403, "AllAccessDisabled"), "ask its owner"),
    "no bucket": Everything(refusal(404, "NoSuchBucket"), "store.addressing = 'host'"),
    "the bucket in the host": Everything(refusal(403, "SecondLevelDomainForbidden"), "store.addressing = 'host'"),
    "too many requests": Everything(refusal(503, "SlowDown"), "lower store.concurrency"),
    "a policy": Everything(refusal(403, "AccessDenied"), "the bucket's policy", "expired"),
}
