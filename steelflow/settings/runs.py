"""Where units are inspected, and how dead runs are found."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from steelflow.settings.base import Section

ExecutorKind = Literal["local", "ray"]


class ExecutorSettings(Section):
    """Where images are judged: in this process, or on the nodes of a Ray cluster. See docs/cluster.md."""

    kind: ExecutorKind = "local"
    address: str = Field(default="auto", description="host:port of the cluster's head; 'auto' asks RAY_ADDRESS")
    actors: int | None = Field(default=None, ge=1, description="most actors; as many as the nodes have room for")
    cpus: int = Field(default=2, ge=1, le=256, description="cores, and threads, of an actor")
    group_images: int = Field(default=4_000, ge=1, description="units go to an actor in groups of about this many")
    patience: float = Field(default=120.0, gt=0, description="seconds to wait for a node when none is left")
    slow: float = Field(
        default=10.0, gt=1, description="a group that takes this many times its usual time goes to another actor"
    )


class RunSettings(Section):
    """Flow runs whose process is dead: how they are found, and how often they are tried. See infra/README.md."""

    pulse: float = Field(default=10.0, gt=0, description="seconds between two signs of life of a run, and two looks")
    silent: float = Field(default=40.0, gt=0, description="a run without a sign of life for so many seconds is dead")
    start: float = Field(default=300.0, gt=0, description="the same before its first one: its process must start")
    attempts: int = Field(default=3, ge=1, description="a run that crashed so often stays crashed")

    @model_validator(mode="after")
    def _patient(self) -> RunSettings:
        if self.silent < 3 * self.pulse:
            raise ValueError(f"silent ({self.silent:g}) must be at least three times pulse ({self.pulse:g})")
        return self
