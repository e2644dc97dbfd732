"""The morning report reaches a real mail server and a real webhook, and never tells a secret."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from coil_plants import framed
from frame_plants import NIGHT
from hooks import Webhook
from pydantic import SecretStr, ValidationError
from smtp import MailServer

from steelflow.config import AlertSettings, MailSettings, MorningSettings, Settings
from steelflow.morning.gather import gather
from steelflow.morning.send import send, send_report_of
from steelflow.night.run import inspect_night

SECRET = "0pen-sesame"
Start = Callable[..., MailServer]


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = framed(tmp_path_factory.mktemp("plant"), rules=[{"classes": ["bright"]}])
    inspect_night(settings, NIGHT)
    return settings


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts mail servers whose certificate is trusted."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    issued = authority.issue_cert("127.0.0.1")
    (tmp_path / "server.pem").write_bytes(
        issued.private_key_pem.bytes() + b"".join(one.bytes() for one in issued.cert_chain_pems)
    )
    started: list[MailServer] = []

    def make(tls: bool = False, **more: Any) -> MailServer:
        started.append(MailServer(tmp_path / "server.pem" if tls else None, **more))
        return started[-1]

    yield make
    for one in started:
        one.close()


def mailed(plant: Settings, server: MailServer, **more: Any) -> Settings:
    fields = {"host": "127.0.0.1", "port": server.port, "sender": "mill@plant.example", "timeout": 20, **more}
    fields.setdefault("to", ("anna@plant.example", "ben@plant.example"))
    return plant.model_copy(update={"mail": MailSettings.model_validate(fields)})


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_mail_has_the_report_as_pdf(plant: Settings, start: Start, tmp_path: Path, security: str) -> None:
    server = start(tls=security != "none", at_once=security == "tls")
    (tmp_path / "password").write_text(f"{SECRET}\n")
    login = {} if security == "none" else {"user": "mill", "password_file": tmp_path / "password"}
    assert send_report_of(mailed(plant, server, security=security, **login), NIGHT) == ("mail",)
    (mail,) = server.mails
    assert mail["From"] == "mill@plant.example"
    assert mail["To"] == "anna@plant.example, ben@plant.example"
    assert len(server.people) == 2
    report = gather(plant, NIGHT)
    assert report.trust.sentence.replace(" ", "") in str(mail["Subject"]).replace(" ", "")
    body = mail.get_body(("html",))
    assert body is not None
    assert "Coils to hold" in body.get_content()
    (attached,) = mail.iter_attachments()
    assert attached.get_filename() == f"morning-report-{NIGHT}.pdf"
    assert attached.get_content().startswith(b"%PDF-")
    secret = [one for one, safe in zip(server.said, server.encrypted, strict=True) if "AUTH" in one and not safe]
    assert secret == []
    assert any(one.startswith("AUTH") for one in server.said) == (security != "none")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"refuse": f"535 wrong password {SECRET}"}, "answered with code 535 (SMTPAuthenticationError)"),
        ({"down": True}, "ConnectionRefusedError"),
        ({"file": "nowhere"}, "mail.password_file"),
        ({"tls": False}, "SMTPNotSupportedError"),
    ],
)
def test_a_mail_that_cannot_be_sent_is_one_line_without_secrets(
    plant: Settings,
    start: Start,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    how: dict[str, Any],
    words: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    server = start(tls=how.get("tls", True), refuse=how.get("refuse"))
    login: dict[str, Any] = {"user": "mill", "password": SECRET}
    if "file" in how:
        login = {"user": "mill", "password_file": tmp_path / how["file"]}
    settings = mailed(plant, server, **login)
    if how.get("down"):
        settings = settings.model_copy(update={"mail": settings.mail.model_copy(update={"port": 1})})
    assert send_report_of(settings, NIGHT) == ()
    (line,) = [one.getMessage() for one in caplog.records if one.name.startswith("steelflow")]
    assert "was not mailed" in line
    assert words in line
    assert "\n" not in line
    out, err = capfd.readouterr()
    assert SECRET not in caplog.text + out + err
    assert server.mails == []


def test_the_webhook_gets_the_report_without_pictures(plant: Settings, tmp_path: Path) -> None:
    hook = Webhook()
    try:
        alerts = AlertSettings(webhook=SecretStr(hook.url))
        quiet = plant.model_copy(update={"alerts": alerts})
        assert send_report_of(quiet, NIGHT) == ()
        report = gather(plant, NIGHT)
        loud = quiet.model_copy(update={"morning": MorningSettings(webhook=True)})
        assert send(loud, report) == ("webhook",)
    finally:
        hook.close()
    (told,) = hook.told
    assert (told["event"], told["text"]) == ("night.report", report.text)
    assert told["details"]["trust"]["answer"] == report.trust.answer
    assert {one["coil"] for one in told["details"]["hold"]} == {one.coil.coil for one in report.held}


def test_without_settings_nothing_is_gathered_or_sent(plant: Settings) -> None:
    nowhere = plant.model_copy(update={"report": plant.report.model_copy(update={"uri": "/nowhere"})})
    assert send_report_of(nowhere, NIGHT) == ()


def test_a_report_that_fails_is_one_line_in_the_log(
    plant: Settings, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    settings = mailed(plant, start(), security="none")
    assert send_report_of(settings, NIGHT.replace(year=2020)) == ()
    assert "was not sent: " in caplog.text
    assert "no reports of 2020-11-01" in caplog.text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"host": "mail"}, "`to` names nobody"),
        ({"host": "mail", "to": ["anna"]}, "'anna' is not a mail address"),
        ({"sender": "a@b\nBcc: c@d"}, "is not a mail address"),
        ({"password": "x", "password_file": "y"}, "either password or password_file"),
        ({"security": "none", "password": "x"}, "a password needs security"),
    ],
)
def test_settings_that_cannot_work_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        MailSettings.model_validate(fields)
