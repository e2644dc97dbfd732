"""What an actor of another machine needs to know: settings, model and names, and no secret.

An actor opens its own stores, template and engine. Credentials, and the folder for downloaded models, are those of its
node: from the node's environment, its ``steelflow.toml`` or its credentials file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, SecretStr

from steelflow import __version__
from steelflow.archive.template import KeyTemplate
from steelflow.config import CHAMPION, Settings, load_settings
from steelflow.errors import ClusterError
from steelflow.inspection.pipeline import Inspection, Model, load_model
from steelflow.models.shipped import SELECTED
from steelflow.records import Unit
from steelflow.registry import resolved
from steelflow.store import open_store

_OF_THE_NODE = ("access_key", "credentials_file", "profile", "ca_bundle")

Section = TypeVar("Section", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Assignment:
    """One run, as it travels. ``settings`` are those of the driver without its secrets."""

    steelflow: str
    settings: Settings
    archive: str
    report: str
    template: str
    zone: str
    digest: str
    version: str | None
    points: Mapping[str | None, float]
    run_id: str
    key_of: Callable[[Unit], str]
    hive: bool

    @classmethod
    def of(cls, settings: Settings, job: Inspection) -> Assignment:
        """The assignment of a job. A model that is named ``champion`` is named by its version from here on."""
        ref = settings.model.ref
        if ref == CHAMPION:
            ref = job.model.version or SELECTED
        return cls(
            steelflow=__version__,
            settings=public(settings.with_model(ref)),
            archive=job.archive.uri,
            report=job.report.uri,
            template=job.template.text,
            zone=job.template.zone.key,
            digest=job.model.engine.digest,
            version=job.model.version,
            points=dict(job.model.points),
            run_id=job.run_id,
            key_of=job.key_of,
            hive=job.hive,
        )

    def open(self, workers: int) -> Inspection:
        """The job on this node, with so many threads.

        Raises:
            ClusterError: this node has another version of steelflow, or another model.
            SteelflowError: its settings are wrong, or it cannot load the model.
        """
        if self.steelflow != __version__:
            raise ClusterError(f"has steelflow {__version__}, the driver has {self.steelflow}; install the same")
        settings = on_node(self.settings, load_settings())
        settings = settings.model_copy(update={"model": settings.model.model_copy(update={"workers": workers})})
        return Inspection(
            archive=open_store(self.archive, settings.store),
            report=open_store(self.report, settings.store, create=True),
            template=KeyTemplate(self.template, self.zone),
            limits=settings.limits,
            model=self._model(settings),
            run_id=self.run_id,
            key_of=self.key_of,
            hive=self.hive,
            frame=settings.frame,
            severity=settings.severity,
        )

    def _model(self, settings: Settings) -> Model:
        found = resolved(settings)
        if found.digest != self.digest:
            raise ClusterError(
                f"finds the model {found.digest[:12]} at {found.path}, the driver has {self.digest[:12]}; "
                "copy the same file there, or register the model"
            )
        loaded = load_model(settings)
        return Model(loaded.engine, loaded.batch_size, loaded.workers, self.version, self.points)


def public(settings: Settings) -> Settings:
    """The settings without secrets, and without what a node has of its own."""
    sections = {name: _public(value) if isinstance(value, BaseModel) else value for name, value in settings}
    store = settings.store.model_copy(update=dict.fromkeys(_OF_THE_NODE))
    # The plain class: the one that ``load_settings`` makes belongs to a file, and does not travel.
    return Settings.model_construct(None, **sections | {"store": _public(store)})


def _public(section: Section) -> Section:
    secret = [name for name, value in section if isinstance(value, SecretStr)]
    return section.model_copy(update=dict.fromkeys(secret))


def on_node(settings: Settings, node: Settings) -> Settings:
    """The driver's settings with the credentials and the home of this node."""
    own = {name: value for name, value in node.store if name in _OF_THE_NODE or isinstance(value, SecretStr)}
    return settings.model_copy(update={"store": settings.store.model_copy(update=own), "home": node.home})
