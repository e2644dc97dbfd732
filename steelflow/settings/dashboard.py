"""The dashboard, and the roles of its users."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from steelflow.settings.base import Section

Role = Literal["viewer", "labeller", "operator"]


class DashboardSettings(Section):
    """What the dashboard shows, and the roles of its users."""

    title: str = Field(default="steelflow", min_length=1, description="title of the browser window: the plant's name")
    port: int = Field(default=8501, ge=0, le=65535, description="on 127.0.0.1; 0 takes a free port")
    local_user: str | None = Field(default=None, description="who works at this machine; the login name if not set")
    guests: bool = Field(
        default=False,
        description="without a login: everybody who reaches the port may read every page, without the link",
    )
    roles: dict[str, Role] = Field(default_factory=dict, description="by e-mail address of the OIDC login")
    default_role: Role | Literal["none"] = Field(
        default="viewer", description="role of all others who log in; 'none' refuses them"
    )
