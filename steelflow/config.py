"""One settings object: defaults, then ``steelflow.toml``, then the environment (``STEELFLOW_STORE__ENDPOINT=…``).

Do not put credentials in a file of a repository. Give them in the environment (``STEELFLOW_STORE__…``, or
``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY`` and ``AWS_SESSION_TOKEN``), or name a ``credentials_file`` or a
``profile`` of the AWS command line.
"""

from __future__ import annotations

import json
import math
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from steelflow.errors import LONG_NAME, ConfigError, shown

MIB = 1024 * 1024
EMBEDDED = "embedded"
CHAMPION = "champion"


EngineName = Literal["auto", "onnxruntime", "openvino", "torch"]
ExecutorKind = Literal["local", "ray"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSettings(_Section):
    """Where S3 is. ``endpoint = "embedded"`` starts the S3 server that ships with steelflow, over a local folder."""

    endpoint: str = Field(default=EMBEDDED, description="host:port or URL of an S3-compatible store, or 'embedded'")
    region: str = "us-east-1"
    access_key: str | None = None
    secret_key: SecretStr | None = None
    session_token: SecretStr | None = Field(default=None, description="of temporary keys")
    credentials_file: Path | None = Field(
        default=None, description="toml file with access_key, secret_key and session_token; read again when it changes"
    )
    profile: str | None = Field(
        default=None, description="of ~/.aws/credentials and ~/.aws/config; AWS_PROFILE or 'default' if not set"
    )
    credentials: Literal["auto", "instance", "anonymous"] = Field(
        default="auto",
        description="'auto': the keys above, the AWS variables and files, a web identity or a container's role; "
        "'instance': the machine's role; 'anonymous': none",
    )
    addressing: Literal["path", "host"] = Field(
        default="path", description="where requests name the bucket: 'path' host/bucket/key, 'host' bucket.host/key"
    )
    ca_bundle: Path | None = Field(
        default=None, description="PEM file of the certificate authority that signed the endpoint's certificate"
    )
    concurrency: int = Field(default=16, ge=1, le=256, description="requests at the same time")
    connect_timeout: float = Field(default=5.0, gt=0, description="seconds")
    read_timeout: float = Field(default=30.0, gt=0, description="seconds without data")
    retries: int = Field(default=6, ge=0, le=20)


def _without_credentials(uri: str) -> str:
    if "://" in uri and "@" in uri.split("://", 1)[1].split("/", 1)[0]:
        raise ValueError("contains credentials; set store.access_key and store.secret_key instead")
    return uri


Uri = Annotated[str, AfterValidator(_without_credentials)]


def _five_fields(value: str) -> str:
    if not re.fullmatch(r"[\d*/,A-Za-z#-]+(\s+[\d*/,A-Za-z#-]+){4}", value.strip()):
        raise ValueError(
            f"{shown(value)} is not a cron schedule; write minute, hour, day, month and weekday: '30 1 * * *'"
        )
    return value


Cron = Annotated[str, AfterValidator(_five_fields)]


class ArchiveSettings(_Section):
    """Where the images are, and how their keys are built."""

    uri: Uri = "s3://steelflow-images"
    template: str = "line={line}/date={date}/coil={coil}/{name}"
    unit_images: int = Field(
        default=8192, ge=1, le=20_000, description="a bucket of loose images splits above this number"
    )


_SAMPLE_BITS = "bits that the cameras use in wider images that do not say it (12 in 16)"


class LineLimits(_Section):
    """What differs on a line."""

    sample_bits: int | None = Field(default=None, ge=8, le=32, description=_SAMPLE_BITS)


class LimitSettings(_Section):
    """Limits above which a hostile or broken image is refused, and what its cameras do not say of it."""

    image_bytes: int = Field(default=64 * MIB, ge=1, description="encoded size of one image")
    image_pixels: int = Field(default=100_000_000, ge=1, description="width times height, read from the header")
    expansion: int = Field(
        default=200, ge=1, description="a zip member or a tar.gz that expands more than this is refused"
    )
    sample_bits: int | None = Field(default=None, ge=8, le=32, description=_SAMPLE_BITS)
    lines: dict[str, LineLimits] = Field(default_factory=dict, description="what differs on a line")

    def of(self, line: str | None) -> LimitSettings:
        """The limits of one line, which differ on no other. Names are found as by ``FrameSettings.of``."""
        if not self.lines:
            return self
        own = _of_line(self.lines, line)
        given = {} if own is None else {name: getattr(own, name) for name in own.model_fields_set}
        return self.model_copy(update={**given, "lines": {}})


T = TypeVar("T")


def _of_line(lines: Mapping[str, T], line: str | None) -> T | None:
    alike = {name.casefold(): settings for name, settings in lines.items()}
    return lines.get(line or "", alike.get((line or "").casefold()))


class CameraSettings(_Section):
    """Where one camera looks."""

    across_mm: float = Field(default=0.0, description="from the strip's edge to the first pixel of the frame")
    side: str | None = Field(default=None, description="'top' or 'bottom'; the archive's own word if not set")


class LineFrame(_Section):
    """How the frames of a line are judged, and their scale. A line may differ from the others in any field."""

    judged: Literal["views", "whole"] = Field(
        default="views", description="'views': cut at native scale into overlapping squares; 'whole': resized"
    )
    view: int | None = Field(default=None, ge=32, le=4096, description="side in pixels; the model's own if not set")
    overlap: float = Field(default=0.125, ge=0, le=0.75, description="of neighbouring views, as a share of the side")
    along: Literal["height", "width"] = Field(default="height", description="the direction in which the strip moves")
    mm_across: float | None = Field(default=None, gt=0, description="millimetres per pixel across the strip")
    mm_along: float | None = Field(default=None, gt=0, description="millimetres per pixel along the strip")
    background: int | None = Field(
        default=None, ge=0, le=254, description="an area at the frame's border up to this grey level is off the strip"
    )
    cameras: dict[str, CameraSettings] = Field(default_factory=dict, description="by the camera's name in the archive")


class FrameSettings(LineFrame):
    """Frames that are larger than the model's pictures. Without this section, every image is judged as a whole."""

    lines: dict[str, LineFrame] = Field(default_factory=dict, description="what differs on a line")

    def of(self, line: str | None) -> LineFrame:
        """The settings of one line: its own fields, and the common ones for all others. A name in other letters, ``l3``
        for ``L3``, counts if no line of the settings has the very name."""
        own = _of_line(self.lines, line)
        common = {name: getattr(self, name) for name in LineFrame.model_fields}
        return LineFrame(
            **common | ({} if own is None else {name: getattr(own, name) for name in own.model_fields_set})
        )


class RollSettings(_Section):
    """A roll that touches the strip. A mark that repeats with its circumference is from it."""

    name: str = Field(min_length=1)
    circumference_mm: float | None = Field(default=None, gt=0)
    diameter_mm: float | None = Field(default=None, gt=0, description="instead of the circumference")
    lines: tuple[str, ...] = Field(default=(), description="lines that have the roll; all if empty")
    tolerance: float = Field(
        default=0.02,
        ge=0,
        lt=0.5,
        description="share by which a period may differ: wear of the roll, and elongation of the strip behind it",
    )

    @model_validator(mode="after")
    def _one_size(self) -> RollSettings:
        if (self.circumference_mm is None) == (self.diameter_mm is None):
            raise ValueError(f"the roll {self.name!r} needs either circumference_mm or diameter_mm")
        return self

    @property
    def circumference(self) -> float:
        """In millimetres."""
        return self.circumference_mm or math.pi * (self.diameter_mm or 0.0)


class RollMarkSettings(_Section):
    """Which regions count as marks that repeat along a coil."""

    shortest_mm: float = Field(default=250.0, gt=0, description="shortest period")
    longest_mm: float = Field(default=7500.0, gt=0, description="longest period")
    position_mm: float = Field(default=10.0, gt=0, description="error of a region's place along the strip")
    across_mm: float = Field(default=20.0, gt=0, description="the same across the strip, with the strip's wander")
    count: int = Field(default=5, ge=4, description="fewest regions of a mark")
    confidence: float = Field(default=0.95, gt=0, lt=1, description="marks below it are not reported")

    @model_validator(mode="after")
    def _in_order(self) -> RollMarkSettings:
        if not 6 * self.position_mm < self.shortest_mm < self.longest_mm:
            raise ValueError(
                f"shortest_mm ({self.shortest_mm:g}) must be above six times position_mm ({self.position_mm:g}) and "
                f"below longest_mm ({self.longest_mm:g})"
            )
        return self


Side = Literal["top", "bottom"]


class SeverityRule(_Section):
    """One rule. Every condition that is set must hold. The first rule that holds gives the severity of a region."""

    severity: str = Field(min_length=1, description="what a region is called if the rule holds")
    classes: tuple[str, ...] = Field(default=(), description="of the region; all if empty")
    lines: tuple[str, ...] = Field(default=(), description="all if empty")
    sides: tuple[Side, ...] = Field(default=(), description="of the strip; all if empty")
    min_score: float | None = Field(default=None, ge=0, le=1)
    min_length_mm: float | None = Field(default=None, gt=0, description="along the strip")
    min_width_mm: float | None = Field(default=None, gt=0, description="across the strip")
    min_area_mm2: float | None = Field(default=None, gt=0)
    min_area_px: int | None = Field(default=None, gt=0, description="pixels, where the scale is not known")
    per_100m: float | None = Field(
        default=None, gt=0, description="regions of the class on this side of the coil in 100 m of strip, at least"
    )


Disposition = Literal["released", "held", "to be graded"]


class CoilRule(_Section):
    """One rule of `[coils]`. It counts the defects of a coil that fit ``classes``, ``severities`` and ``sides``. It
    holds if there are some, and every limit that is set is reached. All rules that hold are reasons of the proposal."""

    propose: Literal["held", "to be graded"] = Field(default="held", description="for a coil on which the rule holds")
    classes: tuple[str, ...] = Field(default=(), description="of the defects; all if empty")
    severities: tuple[str, ...] = Field(default=(), description="of the regions of defect; all if empty")
    sides: tuple[Side, ...] = Field(default=(), description="of the strip; all if empty")
    lines: tuple[str, ...] = Field(default=(), description="all if empty")
    grades: tuple[str, ...] = Field(default=(), description="of the coil, from a sidecar or the key; all if empty")
    min_defects: int | None = Field(default=None, ge=1, description="at least this many")
    per_100m: float | None = Field(default=None, gt=0, description="defects in 100 m of strip, at least")
    per_1000: float | None = Field(default=None, gt=0, description="defects on 1,000 readable images, at least")
    length_m: float | None = Field(default=None, gt=0, description="metres of strip with such a defect, at least")
    length_share: float | None = Field(
        default=None, gt=0, le=1, description="the same as a share of the length that was inspected"
    )


class CoilSettings(_Section):
    """What is proposed for a coil, and who decides."""

    uri: Uri | None = Field(
        default=None, description="where decisions are stored; `coils` below the reports if not set"
    )
    role: Literal["labeller", "operator"] = Field(default="operator", description="lowest role that decides on a page")
    max_unreadable: float = Field(
        default=0.05, ge=0, le=1, description="share of unreadable images above which a coil is to be graded"
    )
    max_novel: float = Field(
        default=0.2, ge=0, le=1, description="share of images unlike the training images above which it is, too"
    )
    drift: Literal["warn", "alarm", "never"] = Field(
        default="alarm", description="verdict on the line from which its coils are to be graded"
    )
    incomplete: bool = Field(default=True, description="coils of a night that misses something are to be graded")
    rules: tuple[CoilRule, ...] = ()


class ReportSettings(_Section):
    uri: Uri = "s3://steelflow-reports"


class ModelSettings(_Section):
    ref: str = Field(
        default=CHAMPION,
        description="'champion' (the registry's; the model that ships if none was promoted), a version of the "
        "registry, the name of a model that ships, or the path of an ONNX file",
    )
    engine: EngineName = "auto"
    batch_size: int | None = Field(default=None, ge=1, le=4096, description="images; measured at start-up if not set")
    memory_limit_mib: int = Field(default=1024, ge=64, description="for the batches in memory")
    workers: int | None = Field(
        default=None, ge=1, le=256, description="threads that decode and classify; one per core if not set"
    )


class NightSettings(_Section):
    timezone: str = Field(default="UTC", description="the plant's time zone")
    cron: Cron = Field(default="30 1 * * *", description="when the nightly deployment runs, in that time zone")
    lines: tuple[str, ...] = Field(default=(), description="lines to inspect; all if empty")
    recent_nights: int = Field(
        default=28, ge=0, le=366, description="nights looked back for lines that usually run; 0: none is expected"
    )
    max_unreadable: float = Field(
        default=0.5, ge=0, le=1, description="share of unreadable images on a line above which a night is incomplete"
    )
    group_images: int = Field(
        default=50_000, ge=1, description="units are grouped into Prefect tasks of about this many images"
    )
    shifts: dict[str, str] = Field(
        default_factory=dict, description='name of each shift, and the time at which it begins: `late = "14:00"`'
    )

    @field_validator("shifts")
    @classmethod
    def _times_of_day(cls, value: dict[str, str]) -> dict[str, str]:
        for name, begins in value.items():
            if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", begins):
                raise ValueError(f"the shift {name!r} begins at {shown(begins)}; write hours and minutes: '06:00'")
        if len(set(value.values())) < len(value):
            raise ValueError("two shifts begin at the same time")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as exc:
            raise ValueError(
                f"{shown(value, LONG_NAME)} is not a time zone; use a name such as 'Europe/Berlin'"
            ) from exc
        return value


class ExecutorSettings(_Section):
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


class RunSettings(_Section):
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


class SelectionSettings(_Section):
    """Which architecture to train, and the rule by which `steelflow models compare` picks one."""

    arch: str = Field(default="steelnet", description="what `steelflow train` trains without --arch")
    rule: Literal["accuracy", "speed"] = Field(
        default="speed",
        description="'speed': the fastest that is accurate enough; 'accuracy': the most accurate that is fast enough",
    )
    min_accuracy: float = Field(default=0.995, ge=0, le=1, description="for the rule 'speed'")
    min_speedup: float = Field(
        default=5.0,
        ge=0,
        description="for the rule 'accuracy': times as fast as SSDC-MiniNet at 200×200, end to end, on this machine",
    )
    accuracy_tie: float = Field(default=0.001, ge=0, le=1, description="accuracies that differ less are equal")
    speed_tie: float = Field(default=0.05, ge=0, lt=1, description="speeds that differ by a smaller share are equal")


class RegistrySettings(_Section):
    uri: Uri | None = Field(
        default=None, description="where model versions are stored; `registry` below the reports if not set"
    )


class LabelSettings(_Section):
    uri: Uri | None = Field(
        default=None, description="where labels and images are stored; `labels` below the reports if not set"
    )
    second_reader: float = Field(
        default=0.1, ge=0, le=1, description="share of the labelled images that a second person labels again, blind"
    )


class DriftSettings(_Section):
    """When a night counts as drifted. Thresholds are effect sizes; see `steelflow/drift/signals/`."""

    min_images: int = Field(default=500, ge=50, description="with fewer images on a line there is no verdict")
    reference_nights: int = Field(
        default=3, ge=1, le=60, description="first nights that become the reference, if a model has none"
    )
    max_novel: float = Field(
        default=0.2, ge=0, le=1, description="share of images unlike the training images in a night of the reference"
    )
    window: int = Field(default=3, ge=1, le=30, description="the last nights, seen together")
    breaches: int = Field(default=2, ge=1, le=30, description="nights of the window over a threshold for an alarm")
    severe: float = Field(default=1.5, gt=1, description="a signal this many times over its threshold alarms at once")
    thresholds: dict[str, float] = Field(default_factory=dict, description="by signal, instead of the defaults")


class RetrainSettings(_Section):
    """When a model is retrained, and the limits for its promotion."""

    cron: Cron | None = Field(default=None, description="retrain by the calendar, in the plant's time zone")
    on_drift: bool = Field(default=True, description="retrain on a drift alarm")
    new_labels: int = Field(default=500, ge=1, description="labels since the champion that start a retraining")
    min_labels: int = Field(default=60, ge=2, description="labels since the champion that a retraining needs")
    cooldown_hours: float = Field(default=20.0, ge=0, description="between two automatic retrainings")
    epochs: int | None = Field(
        default=None, ge=1, description="of a training from scratch; fitted to the data if not set"
    )
    max_drop: float = Field(
        default=0.005, ge=0, le=1, description="accuracy that a challenger may lose on the golden set"
    )
    class_floor: float = Field(default=0.05, ge=0, le=1, description="recall that one class may lose")
    min_speed: float = Field(
        default=0.5, ge=0, description="lowest speed, as a share of the champion's images per second"
    )
    node: Literal["gpu", "any", "none"] = Field(
        default="gpu",
        description="with the executor 'ray', candidates are trained on a node: with a free GPU only, on any, on none",
    )


class AlertSettings(_Section):
    """Where alerts go."""

    webhook: SecretStr | None = Field(default=None, description="URL that receives each alert as a JSON object by POST")
    timeout: float = Field(default=10.0, gt=0, description="seconds")


class MailSettings(_Section):
    """The mail server for the morning report. Without ``host`` no mail is sent."""

    host: str | None = None
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = Field(default="starttls", description="of the connection")
    user: str | None = Field(default=None, description="without one, no login is made")
    password: SecretStr | None = None
    password_file: Path | None = Field(default=None, description="file with the password in its first line")
    sender: str = Field(default="steelflow@localhost", min_length=3, description="address in From")
    to: tuple[str, ...] = Field(default=(), description="addresses that receive the report")
    timeout: float = Field(default=30.0, gt=0, description="seconds")

    @model_validator(mode="after")
    def _sendable(self) -> MailSettings:
        if self.host is not None and not self.to:
            raise ValueError("host is set, but `to` names nobody")
        if self.password is not None and self.password_file is not None:
            raise ValueError("set either password or password_file")
        if self.security == "none" and (self.password or self.password_file):
            raise ValueError("a password needs security = 'starttls' or 'tls'")
        for address in (self.sender, *self.to):
            if "@" not in address or any(c in address for c in "\r\n,<>"):
                raise ValueError(f"{shown(address, LONG_NAME)} is not a mail address")
        return self


class MorningSettings(_Section):
    """The report that is sent when a night was inspected."""

    webhook: bool = Field(default=False, description="post it to alerts.webhook, too")
    mail: bool = Field(default=True, description="mail it, if mail.host is set")
    pictures: int = Field(default=3, ge=0, le=6, description="of each coil that is held or to be held")


class LogSettings(_Section):
    """How the program logs."""

    format: Literal["text", "json"] = Field(
        default="text", description="'json': one object a line, with the run, the night and the line that it is about"
    )


class MetricsSettings(_Section):
    """Where the figures for Prometheus go when a night is done. `steelflow up --metrics` serves them as well."""

    textfile: Path | None = Field(
        default=None, description="file for node_exporter's textfile collector; its name ends in .prom"
    )
    push: SecretStr | None = Field(default=None, description="URL of a push gateway; it may have a user and password")
    job: str = Field(default="steelflow", min_length=1, description="the job's name at the push gateway")
    timeout: float = Field(default=10.0, gt=0, description="seconds for the push gateway")

    @field_validator("textfile")
    @classmethod
    def _collected(cls, value: Path | None) -> Path | None:
        if value is not None and value.suffix != ".prom":
            raise ValueError(f"{value}: the textfile collector reads names that end in .prom only")
        return value


class RetentionSettings(_Section):
    """What housekeeping deletes. None keeps everything. The champion is never deleted."""

    report_days: int | None = Field(
        default=None, ge=1, description="reports, summaries, run records; age from the newest of a line"
    )
    drift_days: int | None = Field(default=None, ge=1, description="drift tables and explanations")
    versions: int | None = Field(default=50, ge=2, description="newest model versions to keep")


Role = Literal["viewer", "labeller", "operator"]


class DashboardSettings(_Section):
    """What the dashboard shows, and the roles of its users."""

    title: str = Field(default="steelflow", min_length=1, description="title of the browser window: the plant's name")
    port: int = Field(default=8501, ge=0, le=65535, description="on 127.0.0.1; 0 takes a free port")
    local_user: str | None = Field(default=None, description="who works at this machine; the login name if not set")
    guests: bool = Field(
        default=False, description="without a login: whoever reaches the port, without the link, may read every page"
    )
    roles: dict[str, Role] = Field(default_factory=dict, description="by e-mail address of the OIDC login")
    default_role: Role | Literal["none"] = Field(
        default="viewer", description="role of all others who log in; 'none' refuses them"
    )


class Settings(BaseSettings):
    """All of steelflow's configuration."""

    model_config = SettingsConfigDict(
        env_prefix="STEELFLOW_", env_nested_delimiter="__", extra="forbid", frozen=True, toml_file=None
    )

    home: Path = Field(
        default=Path(".steelflow"), description="state of this machine: embedded storage, Prefect, credentials"
    )
    store: StoreSettings = StoreSettings()
    archive: ArchiveSettings = ArchiveSettings()
    limits: LimitSettings = LimitSettings()
    frame: FrameSettings | None = None
    rolls: tuple[RollSettings, ...] = ()
    marks: RollMarkSettings = RollMarkSettings()
    severity: tuple[SeverityRule, ...] = ()
    coils: CoilSettings = CoilSettings()
    report: ReportSettings = ReportSettings()
    model: ModelSettings = ModelSettings()
    night: NightSettings = NightSettings()
    executor: ExecutorSettings = ExecutorSettings()
    runs: RunSettings = RunSettings()
    selection: SelectionSettings = SelectionSettings()
    registry: RegistrySettings = RegistrySettings()
    labels: LabelSettings = LabelSettings()
    drift: DriftSettings = DriftSettings()
    retrain: RetrainSettings = RetrainSettings()
    alerts: AlertSettings = AlertSettings()
    mail: MailSettings = MailSettings()
    morning: MorningSettings = MorningSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()
    retention: RetentionSettings = RetentionSettings()
    dashboard: DashboardSettings = DashboardSettings()

    def with_model(self, ref: str | None, engine: EngineName | None = None) -> Settings:
        """These settings with another model or engine; None keeps the one that is set."""
        given = {name: value for name, value in (("ref", ref), ("engine", engine)) if value is not None}
        return self.model_copy(update={"model": self.model.model_copy(update=given)})

    def with_executor(self, kind: ExecutorKind | None, address: str | None) -> Settings:
        """These settings with another executor; None keeps what is set."""
        given = {name: value for name, value in (("kind", kind), ("address", address)) if value is not None}
        return self.model_copy(update={"executor": self.executor.model_copy(update=given)})

    @property
    def registry_uri(self) -> str:
        return self.registry.uri or f"{self.report.uri.rstrip('/')}/registry"

    @property
    def labels_uri(self) -> str:
        return self.labels.uri or f"{self.report.uri.rstrip('/')}/labels"

    @property
    def coils_uri(self) -> str:
        return self.coils.uri or f"{self.report.uri.rstrip('/')}/coils"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the name is the framework's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(path: str | os.PathLike[str] | None = None) -> Settings:
    """Read the settings of steelflow. Every setting has a default, so no file is needed.

    Args:
        path: a TOML file. Default: the file that the variable ``STEELFLOW_CONFIG`` names, else ``./steelflow.toml``
            if it exists. Variables such as ``STEELFLOW_STORE__ENDPOINT`` override the file.

    Returns:
        The settings, frozen. ``settings.model_copy(update=…)`` makes a changed copy.

    Raises:
        ConfigError: a setting is wrong. The message names the file or variable, the field, and what it accepts.

    Example:
        settings = steelflow.load_settings("steelflow.toml")
        steelflow.open_report(settings.report.uri, settings=settings)
    """
    file, named = _file(None if path is None else Path(path))
    if named and not file.is_file():
        raise ConfigError(f"{file}: no such configuration file; name an existing file, or leave the option out")

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    try:
        settings = FromFile()
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{file}: not valid TOML: {exc}") from exc
    except ValidationError as exc:
        raise ConfigError(_readable(exc, file)) from exc
    except (SettingsError, UnicodeDecodeError, OSError) as exc:  # the value may be a secret: it is not repeated
        raise ConfigError(
            f"{file} or a STEELFLOW_… variable: cannot be read ({type(exc).__name__}); set single fields, such as "
            "STEELFLOW_STORE__REGION, and save the file as UTF-8"
        ) from None
    return settings.model_copy(update={"store": _with_credentials(settings.store)})


def save_setting(path: Path | None, section: str, name: str, value: str) -> Path:
    """Write ``name = "value"`` into the file that ``load_settings(path)`` reads. All other lines stay.

    The file is created if needed.

    Raises:
        ConfigError: the file cannot be written, or has a layout that this function cannot change.
    """
    file, _ = _file(path)
    line = f"{name} = {json.dumps(value)}"
    try:
        text = file.read_text() if file.exists() else ""
        head = re.search(rf"^\[{section}\].*\n?", text, re.MULTILINE)
        if head is None:
            changed = f"{text.rstrip()}\n\n[{section}]\n{line}\n".lstrip()
        else:
            following = re.search(r"^\[", text[head.end() :], re.MULTILINE)
            end = head.end() + following.start() if following else len(text)
            body, there = re.subn(
                rf"^{name}\s*=[^#\n]*?(?=\s*(#|$))", lambda _: line, text[head.end() : end], flags=re.M
            )
            body = body if there else f"{line}\n{body}"
            changed = f"{text[: head.start()]}{head[0].rstrip()}\n{body}{text[end:]}"
        if tomllib.loads(changed)[section][name] != value:
            raise ValueError(name)
        file.write_text(changed)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ConfigError(f"{file}: cannot be changed ({type(exc).__name__}); write {line} below [{section}]") from exc
    return file


def _file(path: Path | None) -> tuple[Path, bool]:
    """The configuration file, and whether the user named it."""
    named = path or (Path(os.environ["STEELFLOW_CONFIG"]) if os.environ.get("STEELFLOW_CONFIG") else None)
    return named or Path("steelflow.toml"), named is not None


_GONE = {"dashboard.good_classes": "the model knows its good classes, and its reports have them; remove this setting"}
"""Settings of earlier versions, and what to do instead."""


def _readable(exc: ValidationError, file: Path) -> str:
    problems = []
    for error in exc.errors(include_url=False, include_input=False):
        field = ".".join(str(part) for part in error["loc"])
        message = error["msg"].removeprefix("Value error, ")
        if error["type"] == "extra_forbidden":
            message = _GONE.get(field, "no such setting (`steelflow config show` lists them)")
        problems.append(f"{field}: {message}")
    return f"configuration ({file} and STEELFLOW_… variables): " + "; ".join(problems)


def _with_credentials(store: StoreSettings) -> StoreSettings:
    """Fill the gaps of the settings from the credentials file, or else from the AWS variables."""
    update: dict[str, Any] = {}
    if store.credentials_file is not None:
        update = read_credentials_file(store.credentials_file)
    elif store.access_key is None and store.profile is None and os.environ.get("AWS_ACCESS_KEY_ID"):
        update = {"access_key": os.environ["AWS_ACCESS_KEY_ID"]}
        for name, variable in (("secret_key", "AWS_SECRET_ACCESS_KEY"), ("session_token", "AWS_SESSION_TOKEN")):
            if value := os.environ.get(variable):
                update[name] = SecretStr(value)
    if store.endpoint == EMBEDDED and os.environ.get("AWS_ENDPOINT_URL"):
        update["endpoint"] = os.environ["AWS_ENDPOINT_URL"]
    if "region" not in store.model_fields_set and os.environ.get("AWS_REGION"):
        update["region"] = os.environ["AWS_REGION"]
    return store.model_copy(update=update)


def read_credentials_file(file: Path) -> dict[str, Any]:
    """The keys of ``store.credentials_file``, as settings of the store.

    Raises:
        ConfigError: it cannot be read, or has no keys. The message has nothing of its text.
    """
    try:
        found = tomllib.loads(file.read_text())
        token = found.get("session_token")
        return {
            "access_key": str(found["access_key"]),
            "secret_key": SecretStr(found["secret_key"]),
            "session_token": None if token is None else SecretStr(token),
        }
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError) as exc:
        raise ConfigError(
            f"store.credentials_file {file}: cannot be read ({type(exc).__name__}); "
            "it must be a toml file with access_key and secret_key"
        ) from None
