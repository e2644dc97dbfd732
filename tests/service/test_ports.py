"""Addresses to listen on."""

from __future__ import annotations

import socket

import pytest
import typer
from typer.testing import CliRunner

from steelflow.cli import service
from steelflow.errors import ConfigError
from steelflow.service.ports import Address, free_port


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("127.0.0.1:9100", "127.0.0.1:9100"),
        ("0.0.0.0:9100", "0.0.0.0:9100"),
        ("127.0.0.1", "127.0.0.1:9464"),
        ("9100", "127.0.0.1:9100"),
        (":9100", "127.0.0.1:9100"),
        ("plant-1:0", "plant-1:0"),
        ("[::1]:9100", "[::1]:9100"),
    ],
)
def test_an_address_is_read(text: str, told: str) -> None:
    assert str(Address.parsed(text, 9464)) == told


@pytest.mark.parametrize("text", ["", "a:b", "a:99999", "http://a:1", "a:1/x", "me:p@a:1", "[::1", "a b:1?x", "-1:x"])
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"write HOST:PORT, such as 127\.0\.0\.1:9464"):
        Address.parsed(text, 9464)


def test_a_port_in_use_names_the_option() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="--metrics"):
            free_port(taken.getsockname()[1], "--metrics HOST:PORT")


@pytest.mark.parametrize(
    ("arguments", "at"),
    [
        ([], None),
        (["--metrics"], "127.0.0.1:9464"),
        (["--metrics", "--port", "0"], "127.0.0.1:9464"),
        (["--port", "0", "--metrics", "0.0.0.0:9100"], "0.0.0.0:9100"),
        (["--metrics=9100"], "127.0.0.1:9100"),
    ],
)
def test_metrics_are_served_where_the_option_says(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], at: str | None
) -> None:
    seen: list[Address | None] = []
    monkeypatch.setattr(service, "run", lambda settings, port, config, ready, metrics: seen.append(metrics))
    app = typer.Typer()
    app.command(cls=service.OptionalValue)(service.up)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert [one and str(one) for one in seen] == [at]
