"""What is sent to people: alerts, mail, and the morning report."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from steelflow.errors import LONG_NAME, shown
from steelflow.settings.base import Section


class AlertSettings(Section):
    """Where alerts go."""

    webhook: SecretStr | None = Field(default=None, description="URL that receives each alert as a JSON object by POST")
    timeout: float = Field(default=10.0, gt=0, description="seconds")


class MailSettings(Section):
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


class MorningSettings(Section):
    """The report that is sent when a night was inspected."""

    webhook: bool = Field(default=False, description="post it to alerts.webhook, too")
    mail: bool = Field(default=True, description="mail it, if mail.host is set")
    pictures: int = Field(default=3, ge=0, le=6, description="of each coil that is held or to be held")
