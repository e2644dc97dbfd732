"""The morning report as a file."""

from __future__ import annotations

from pathlib import Path

from steelflow.errors import ConfigError
from steelflow.morning.content import Report
from steelflow.morning.webpage import page

SUFFIXES = (".pdf", ".html")


def as_html(report: Report) -> bytes:
    return page(report).encode("utf-8", "backslashreplace")


def as_pdf(report: Report) -> bytes:
    """Raises ``ConfigError`` if the library for PDF is not installed."""
    try:
        from steelflow.morning.pdf import pdf  # its library is an extra
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] != "reportlab":
            raise
        raise ConfigError("a PDF needs the extra `report`: pip install 'steelflow[report]'; or write .html") from exc
    return pdf(report)


def write_report(report: Report, out: Path) -> None:
    """Write the report in the format of the file's suffix, complete or not at all.

    Raises:
        ConfigError: another suffix, the library for PDF is missing, or the file cannot be written.
    """
    check_suffix(out)
    data = as_pdf(report) if out.suffix.lower() == ".pdf" else as_html(report)
    part = out.with_name(f".{out.name}.part")
    try:
        part.write_bytes(data)
        part.replace(out)
    except OSError as exc:
        part.unlink(missing_ok=True)
        raise ConfigError(f"{out}: cannot be written ({exc.strerror or type(exc).__name__})") from exc


def check_suffix(out: Path) -> None:
    """Raises ``ConfigError`` if the report cannot be written in this format."""
    if out.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{out}: the suffix must be {' or '.join(SUFFIXES)}")
