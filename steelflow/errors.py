"""Every error that steelflow raises on purpose.

SteelflowError
├── ConfigError            a setting, a template or an argument is wrong
├── StoreError             object storage
│   ├── StoreUnreachable   no answer, or one that may be better next time: worth a retry
│   ├── AccessDenied       the key, the secret or the policy says no
│   ├── BucketNotFound
│   ├── ObjectNotFound
│   ├── ObjectUnreadable   the store has it, and its key cannot be asked for
│   ├── ObjectChanged      the object was replaced while it was being read
│   └── ObjectExists       what was to be new is there already
├── ModelError             unknown, damaged or unsuitable model
├── EngineError            the model cannot be run here
├── ReportError            a report is missing, damaged or would be wrong
├── RegistryError          a model version or the promotion log is missing, damaged or was changed
├── LabelError             labels cannot be taken, or the golden set was changed
├── DriftError             a reference or a night cannot be compared
├── DataError              a data set cannot be used
├── TrainingError          training cannot go on
├── ServiceError           a process of `steelflow up` ended by itself
└── LockHeld               another process does the same work right now

A message says what is wrong, where, and what to do about it, in one line, and holds no secret. Errors of other
libraries are translated at the edge where they appear (``raise … from exc``).

An image that cannot be judged is not an error but a row of the report: see ``records.Failure``.
"""


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
    pass


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


class DriftError(SteelflowError):
    pass


class DataError(SteelflowError):
    pass


class TrainingError(SteelflowError):
    pass


class ServiceError(SteelflowError):
    pass


class LockHeld(SteelflowError):
    pass
