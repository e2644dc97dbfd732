"""Every error that steelflow raises on purpose.

SteelflowError
├── ConfigError            a setting, a template or an argument is wrong
├── StoreError             object storage
│   ├── StoreUnreachable   no answer, or a temporary error: worth a retry
│   ├── AccessDenied       the store refuses the key, the secret or the policy
│   ├── BucketNotFound
│   ├── ObjectNotFound
│   ├── ObjectUnreadable   the store lists the object and does not give it: this one alone
│   ├── ObjectChanged      the object was replaced while it was being read
│   └── ObjectExists       an object that should be new exists already
├── ModelError             unknown, damaged or unsuitable model
├── EngineError            the model cannot be run here
├── ReportError            a report is missing or damaged, or would be wrong
├── RegistryError          a model version or the promotion log is missing, damaged or changed
├── LabelError             labels cannot be stored, or the golden set was changed
├── CoilError              a coil is not known, or its decisions cannot be stored or were changed
├── DriftError             a reference or a night cannot be compared
├── DataError              a data set cannot be used
├── TrainingError          training cannot continue
├── ClusterError           no node of a cluster is left, or none can do the work
├── ServiceError           a process of `steelflow up` ended by itself
└── LockHeld               another process is doing the same work now

A message is one line. It says what is wrong, where, and what to do about it. It contains no secret. Errors of other
libraries are translated where they appear (``raise … from exc``). What a file contains is repeated only if it is short
(``shown``): a wrong file may be a list of passwords.

An image that cannot be read is not an error. It is a row of the report: see ``records.Failure``.
"""

import re


class SteelflowError(Exception):
    """Base of all errors that a user can do something about."""


class ConfigError(SteelflowError):
    pass


class StoreError(SteelflowError):
    pass


class StoreUnreachable(StoreError):
    pass


class AccessDenied(StoreError):
    pass


class BucketNotFound(StoreError):
    pass


class ObjectNotFound(StoreError):
    pass


class ObjectUnreadable(StoreError):
    """``code`` says why in one word, for the row of an image: ``unreadable``, ``denied`` or ``cold_storage``."""

    def __init__(self, message: str, code: str = "unreadable") -> None:
        super().__init__(message)
        self.code = code


class ObjectChanged(StoreError):
    pass


class ObjectExists(StoreError):
    pass


class ModelError(SteelflowError):
    pass


class EngineError(SteelflowError):
    pass


class ReportError(SteelflowError):
    pass


class RegistryError(SteelflowError):
    pass


class LabelError(SteelflowError):
    pass


class CoilError(SteelflowError):
    pass


class DriftError(SteelflowError):
    pass


class DataError(SteelflowError):
    pass


class TrainingError(SteelflowError):
    pass


class ClusterError(SteelflowError):
    pass


class ServiceError(SteelflowError):
    pass


class LockHeld(SteelflowError):
    pass


_SHOWN = 20  # characters of a value: enough for a number, a time or a word
LONG_NAME = 60  # characters of a path or of a class, which name what is meant
_QUOTED = re.compile(rf"'[^']{{{_SHOWN + 1},}}'|\"[^\"]{{{_SHOWN + 1},}}\"")


def shown(value: object, most: int = _SHOWN) -> str:
    """A value that a file contains, for an error: quoted if it is short, otherwise its length alone."""
    text = str(value)
    return repr(text) if len(text) <= most and text.isprintable() else f"(of {len(text):,} characters)"


def without_values(text: str) -> str:
    """The message of another library's error, on one line and without the long values that it quotes."""
    return _QUOTED.sub("(a long value)", " ".join(text.split()))[:200]
