"""The morning report by mail: text, HTML without pictures, and the whole report as an attachment.

The password comes from the settings' secret or file. It never appears in a message or a log: of an error of the server
only its kind and number are shown.
"""

from __future__ import annotations

import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import make_msgid

from steelflow.config import MailSettings
from steelflow.errors import ConfigError
from steelflow.morning.content import Report
from steelflow.morning.files import as_html, as_pdf
from steelflow.morning.webpage import page


def mail(settings: MailSettings, report: Report) -> str | None:
    """Send the report. Returns None, or why it was not sent, without secrets.

    Args:
        settings: with a host.
    """
    try:
        password = _password(settings)
        message = composed(settings, report)
        with _connected(settings) as server:
            if settings.user is not None:
                server.login(settings.user, password or "")
            refused = server.send_message(message)
    except ConfigError as exc:
        return str(exc)
    except smtplib.SMTPResponseException as exc:  # its text may repeat what was sent
        return f"{settings.host} answered with code {exc.smtp_code} ({type(exc).__name__})"
    except (OSError, smtplib.SMTPException, ValueError) as exc:
        return f"{settings.host}, port {settings.port}: {type(exc).__name__}"
    return f"{settings.host} refused {len(refused)} of {len(settings.to)} addresses" if refused else None


def composed(settings: MailSettings, report: Report) -> EmailMessage:
    """The mail. The attachment is a PDF, or the page where the library for PDF is missing."""
    message = EmailMessage()
    message["Subject"] = _one_line(f"{report.plant}: {report.text}")[:300]
    message["From"] = Address(addr_spec=settings.sender)
    message["To"] = tuple(Address(addr_spec=one) for one in settings.to)
    message["Message-ID"] = make_msgid(domain=settings.sender.rpartition("@")[2])
    missing = "".join(f"\n- {one}" for one in report.missing)
    message.set_content(f"{report.title}\n\n{report.text}\n{missing}\n\nThe report is attached.\n")
    message.add_alternative(page(report, pictures=False), subtype="html")
    name = f"morning-report-{report.date}" + (f"-{report.shift}" if report.shift else "")
    try:
        message.add_attachment(as_pdf(report), maintype="application", subtype="pdf", filename=f"{name}.pdf")
    except ConfigError:
        message.add_attachment(as_html(report), maintype="text", subtype="html", filename=f"{name}.html")
    return message


def _connected(settings: MailSettings) -> smtplib.SMTP:
    assert settings.host is not None, "the caller has asked"
    context = ssl.create_default_context()
    if settings.security == "tls":
        return smtplib.SMTP_SSL(settings.host, settings.port, timeout=settings.timeout, context=context)
    server = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout)
    if settings.security == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server


def _password(settings: MailSettings) -> str | None:
    if settings.password is not None:
        return settings.password.get_secret_value()
    if settings.password_file is None:
        return None
    try:
        lines = settings.password_file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(
            f"mail.password_file {settings.password_file}: cannot be read ({type(exc).__name__})"
        ) from exc
    if not lines or not lines[0].strip():
        raise ConfigError(f"mail.password_file {settings.password_file}: its first line is empty")
    return lines[0].strip()


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
