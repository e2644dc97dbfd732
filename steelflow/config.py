"""One settings object: defaults, then ``steelflow.toml``, then the environment (``STEELFLOW_STORE__ENDPOINT=…``).

Do not put credentials in a file of a repository. Give them in the environment (``STEELFLOW_STORE__…``, or
``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY`` and ``AWS_SESSION_TOKEN``), or name a ``credentials_file`` or a
``profile`` of the AWS command line.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from steelflow.errors import ConfigError
from steelflow.settings.archive import MIB, ArchiveSettings, LimitSettings, LineLimits
from steelflow.settings.coils import CoilRule, CoilSettings, Disposition
from steelflow.settings.dashboard import DashboardSettings, Role
from steelflow.settings.drift import DriftSettings
from steelflow.settings.frames import CameraSettings, FrameSettings, LineFrame
from steelflow.settings.labels import LabelSettings
from steelflow.settings.messages import AlertSettings, MailSettings, MorningSettings
from steelflow.settings.model import CHAMPION, EngineName, ModelSettings, RegistrySettings, SelectionSettings
from steelflow.settings.night import NightSettings
from steelflow.settings.report import ReportSettings, RetentionSettings
from steelflow.settings.retrain import RetrainSettings
from steelflow.settings.runs import ExecutorKind, ExecutorSettings, RunSettings
from steelflow.settings.store import EMBEDDED, StoreSettings, read_credentials_file, with_credentials
from steelflow.settings.strip import RollMarkSettings, RollSettings, SeverityRule, Side
from steelflow.settings.telemetry import LogSettings, MetricsSettings

__all__ = [
    "CHAMPION",
    "EMBEDDED",
    "MIB",
    "AlertSettings",
    "ArchiveSettings",
    "CameraSettings",
    "CoilRule",
    "CoilSettings",
    "DashboardSettings",
    "Disposition",
    "DriftSettings",
    "EngineName",
    "ExecutorKind",
    "ExecutorSettings",
    "FrameSettings",
    "LabelSettings",
    "LimitSettings",
    "LineFrame",
    "LineLimits",
    "LogSettings",
    "MailSettings",
    "MetricsSettings",
    "ModelSettings",
    "MorningSettings",
    "NightSettings",
    "RegistrySettings",
    "ReportSettings",
    "RetentionSettings",
    "RetrainSettings",
    "Role",
    "RollMarkSettings",
    "RollSettings",
    "RunSettings",
    "SelectionSettings",
    "Settings",
    "SeverityRule",
    "Side",
    "StoreSettings",
    "load_settings",
    "read_credentials_file",
    "save_setting",
]


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
    return settings.model_copy(update={"store": with_credentials(settings.store)})


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
