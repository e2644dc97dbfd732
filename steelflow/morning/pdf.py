"""The morning report as PDF: one page of A4 as a rule, more if a night needs them.

The fonts are subsets of DejaVu Sans (Latin, Greek, Cyrillic), so the page is the same on every machine. A letter that
they lack is written as its code, such as ``\\u92fc``. The same report gives the same bytes.
"""

from __future__ import annotations

import functools
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, Image, PageTemplate, Paragraph, Spacer, Table

from steelflow.morning import words
from steelflow.morning.content import Held, Picture, Report

_FONTS = Path(__file__).parent / "fonts"
_MARGIN = 14 * mm
_WIDTH = A4[0] - 2 * _MARGIN
_ABOVE, _BELOW = 12 * mm, 15 * mm
_SHOT = 17.5 * mm
_GAP = 6 * mm
_TOGETHER = 12  # lines that fit beside the classes
_LINE, _PALE, _INK = HexColor("#d5dbe1"), HexColor("#f3f5f7"), HexColor("#1c2733")
Part = Any  # what a cell of a table holds; reportlab has no types


def pdf(report: Report) -> bytes:
    """The report as a PDF file."""
    _register()
    buffer = io.BytesIO()
    document = BaseDocTemplate(
        buffer,
        pagesize=A4,
        title=report.title,
        author=report.plant,
        subject="Morning report",
        lang="en",
        invariant=1,
    )
    parts = [
        *_head(report),
        _trust(report),
        *(_text(one, _NOTE) for one in report.notes),
        Spacer(0, 2.5 * mm),
        _figures(report),
        *_held(report),
        Spacer(0, 2.5 * mm),
        *_middle(report),
        *_decisions(report),
    ]
    foot = _safe(words.foot(report))

    def finish(canvas: Any, document: Any) -> None:
        line = Paragraph(foot, _SMALL)
        _, height = line.wrap(_WIDTH - 25 * mm, 20 * mm)
        line.drawOn(canvas, _MARGIN, 11 * mm - height / 2)
        canvas.setFont("Plain", 6.5)
        canvas.setFillColor(HexColor(words.GREY))
        canvas.drawRightString(A4[0] - _MARGIN, 10 * mm, f"page {document.page}")

    frame = Frame(
        _MARGIN, _BELOW, _WIDTH, A4[1] - _BELOW - _ABOVE, leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0
    )
    document.addPageTemplates(PageTemplate(frames=[frame], onPageEnd=finish))
    document.build(parts)
    return buffer.getvalue()


@functools.cache
def _register() -> None:
    pdfmetrics.registerFont(TTFont("Plain", str(_FONTS / "DejaVuSans.ttf")))
    pdfmetrics.registerFont(TTFont("Strong", str(_FONTS / "DejaVuSans-Bold.ttf")))
    pdfmetrics.registerFontFamily("Plain", normal="Plain", bold="Strong", italic="Plain", boldItalic="Strong")


def _style(size: float, **more: Any) -> ParagraphStyle:
    given = {"fontName": "Plain", "textColor": _INK, **more}
    return ParagraphStyle(f"{size}{sorted(more)}", fontSize=size, leading=size * 1.32, **given)


_BODY, _NOTE = _style(8), _style(7.5, textColor=HexColor(words.GREY))
_SMALL = _style(6.5, textColor=HexColor(words.GREY))
_NUMBER, _NUMBER_HEAD = _style(7.5, alignment=2), _style(6.5, alignment=2, textColor=HexColor(words.GREY))
_CELL, _TITLE = _style(7.5), _style(17, fontName="Strong")
_SECTION = _style(10, fontName="Strong", spaceBefore=3.2 * mm, spaceAfter=1.2 * mm, keepWithNext=1)
_VALUE, _ANSWER, _BADGE = _style(13, fontName="Strong"), _style(9), _style(8.5, fontName="Strong", alignment=2)


def _text(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(_safe(text), style)


def _head(report: Report) -> list[Flowable]:
    colour = words.STATES.get(report.state, words.RED)
    state = Paragraph(f'<font color="{colour}">{_safe(report.state)}</font>', _BADGE)
    about = _text(f"{report.plant} · night of {report.night}", _NOTE)
    left: list[Flowable] = [_text("Morning report", _TITLE), Spacer(0, 1 * mm), about]
    return [
        _grid([[left, state]], [_WIDTH - 40 * mm, 40 * mm], ("VALIGN", (0, 0), (-1, -1), "BOTTOM")),
        Spacer(0, 2 * mm),
    ]


def _trust(report: Report) -> Table:
    colour = HexColor(words.ANSWERS[report.trust.answer])
    others = [one for one in report.missing if one.partition(";")[0] not in report.trust.sentence]
    inside: list[Flowable] = [_text("Can I trust this night?", _NOTE), _text(report.trust.sentence, _ANSWER)]
    inside += [_text(f"• {one}", _BODY) for one in others]
    return _grid(
        [[inside]],
        [_WIDTH],
        ("BACKGROUND", (0, 0), (-1, -1), _PALE),
        ("LINEBEFORE", (0, 0), (0, -1), 3, colour),
        ("LEFTPADDING", (0, 0), (-1, -1), 3 * mm),
        ("TOPPADDING", (0, 0), (-1, -1), 1.6 * mm),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2 * mm),
    )


def _figures(report: Report) -> Table:
    cells: list[Part] = [
        [_text(one.name, _SMALL), _text(one.value, _VALUE), _text(one.note or "\u00a0", _SMALL)]
        for one in report.figures
    ]
    return _grid(
        [cells],
        [_WIDTH / len(cells)] * len(cells),
        ("BOX", (0, 0), (-1, -1), 0.5, _LINE),
        ("INNERGRID", (0, 0), (-1, -1), 0.5, _LINE),
        ("LEFTPADDING", (0, 0), (-1, -1), 2.2 * mm),
        ("TOPPADDING", (0, 0), (-1, -1), 1.2 * mm),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.6 * mm),
    )


def _held(report: Report) -> list[Flowable]:
    parts: list[Flowable] = [_text("Coils to hold", _SECTION)]
    parts += [_coil(one) for one in report.held] or [_text("None.", _NOTE)]
    told = [text for text in (words.more_held(report), words.released(report)) if text]
    parts += [_text(f"{text[0].upper()}{text[1:]}.", _NOTE) for text in told]
    if grade := words.to_grade(report):
        parts += [_text("To be graded", _SECTION), _text(grade, _BODY)]
    return parts


def _coil(held: Held) -> Table:
    title = (
        f'<font name="Strong">{_safe(words.name(held.coil))}</font> '
        f'<font color="{words.RED}">{_safe(words.status(held))}</font>'
    )
    inside: list[Flowable] = [Paragraph(title, _BODY), _text(words.facts(held), _NOTE)]
    inside += [_text(f"• {one}", _CELL) for one in words.why(held)]
    wide = _SHOT + 2 * mm
    shots: list[Part] = [_shot(one) for one in held.pictures]
    return _grid(
        [[inside, *shots]],
        [_WIDTH - wide * len(shots), *[wide] * len(shots)],
        ("LINEABOVE", (0, 0), (-1, 0), 0.5, _LINE),
        ("TOPPADDING", (0, 0), (-1, -1), 1.2 * mm),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.2 * mm),
        ("LEFTPADDING", (1, 0), (-1, -1), 2 * mm),
    )


def _shot(picture: Picture) -> list[Flowable]:
    caption = _text(picture.caption, _style(5.6, textColor=HexColor(words.GREY)))
    if picture.data is None:
        return [caption]
    return [Image(io.BytesIO(picture.data), _SHOT, _SHOT), Spacer(0, 0.6 * mm), caption]


def _middle(report: Report) -> list[Flowable]:
    """Classes and lines side by side, if the lines fit there."""
    if len(report.lines) > _TOGETHER:
        return [*_pareto(report, _WIDTH), *_lines(report, _WIDTH)]
    half = (_WIDTH - _GAP) / 2
    return [_grid([[_pareto(report, half), "", _lines(report, half)]], [half, _GAP, half])]


def _pareto(report: Report, width: float) -> list[Flowable]:
    title = _text("Defects by class", _SECTION)
    if not report.pareto:
        return [title, _text("None.", _NOTE)]
    most = max(one.number for one in report.pareto)
    columns = [0.32 * width, 0.27 * width, 0.15 * width, 0.14 * width, 0.12 * width]
    rows: list[list[Part]] = [_heads("class", "", "defects:", "rate:", "sum:")]
    for one in report.pareto:
        bar = _Bar(max(1.0, (columns[1] - 3 * mm) * one.number / most))
        numbers = (f"{one.number:,}", one.rate, f"{one.cumulative:.0%}")
        rows.append([_text(one.label.replace("_", " "), _CELL), bar, *(_text(text, _NUMBER) for text in numbers)])
    return [title, _listing(rows, columns), _text(f"Rate: {report.rate_name}.", _SMALL)]


def _lines(report: Report, width: float) -> list[Flowable]:
    columns = [0.12 * width, 0.16 * width, 0.15 * width, 0.12 * width, 0.03 * width, 0.42 * width]
    rows: list[list[Part]] = [_heads("line", "images:", "unread.:", "coils:", "", "drift")]
    for one in report.lines:
        verdict, colour = words.VERDICTS.get(one.verdict or "", words.NO_VERDICT)
        drift = Paragraph(f'<font name="Strong" color="{colour}">{verdict}</font> {_safe(one.text)}', _CELL)
        numbers = (f"{one.images:,}", f"{one.failed:,}", f"{one.coils:,}")
        rows.append([_text(one.line, _CELL), *(_text(text, _NUMBER) for text in numbers), "", drift])
    return [_text("Lines and drift", _SECTION), _listing(rows, columns)]


def _decisions(report: Report) -> list[Flowable]:
    title = _text("Who decided what", _SECTION)
    if not report.decided:
        return [title, _text("Nobody has decided about a coil of this night.", _NOTE)]
    columns = [share * _WIDTH for share in (0.2, 0.13, 0.16, 0.12, 0.39)]
    rows: list[list[Part]] = [_heads("coil", "decision", "who", "when", "reason")]
    for one in report.decided:
        assert one.decision is not None, "it was decided"
        colour = words.DISPOSITIONS[one.disposition]
        reason: list[Flowable] = [_text(one.decision.reason, _CELL)]
        reason += [_text(f"changed since: {'; '.join(one.changed)}", _SMALL)] if one.changed else []
        rows.append(
            [
                _text(words.name(one), _CELL),
                Paragraph(f'<font color="{colour}">{_safe(one.disposition)}</font>', _CELL),
                _text(one.decision.who, _CELL),
                _text(words.when(one, report), _CELL),
                reason,
            ]
        )
    more = [_text(f"and {report.decided_more} more", _NOTE)] if report.decided_more else []
    return [title, _listing(rows, columns), *more]


class _Bar(Flowable):  # type: ignore[misc]  # reportlab has no types
    """A bar of the chart, ``width`` points long."""

    def __init__(self, width: float) -> None:
        super().__init__()
        self.width, self.height = width, 6.0

    def draw(self) -> None:
        self.canv.setFillColor(HexColor(words.BAR))
        self.canv.rect(0, -1.5, self.width, 5.5, stroke=0, fill=1)


def _heads(*names: str) -> list[Part]:
    """The head of a table; a name that ends in a colon is above numbers."""
    return [
        _text(name.removesuffix(":"), _NUMBER_HEAD) if name.endswith(":") else _text(name, _SMALL) for name in names
    ]


def _listing(rows: list[list[Part]], columns: Sequence[float]) -> Table:
    return _grid(
        rows,
        columns,
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE),
        ("RIGHTPADDING", (0, 0), (-1, -1), 1.2 * mm),
        ("TOPPADDING", (0, 0), (-1, -1), 0.7 * mm),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 0.9 * mm),
        repeat=1,
    )


def _grid(rows: list[list[Part]], columns: Sequence[float], *styles: tuple[Any, ...], repeat: int = 0) -> Table:
    table = Table(rows, colWidths=list(columns), repeatRows=repeat, splitInRow=1, hAlign="LEFT")
    plain = [("VALIGN", (0, 0), (-1, -1), "TOP")]
    plain += [(f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "RIGHT", "TOP", "BOTTOM")]  # type: ignore[misc]  # a style has any values
    table.setStyle([*plain, *styles])
    return table


def _safe(text: str) -> str:
    """Escaped for a paragraph; what the fonts lack is written as its code."""
    known = pdfmetrics.getFont("Plain").face.charToGlyph
    return html.escape("".join(c if ord(c) in known else ascii(c)[1:-1] for c in text), quote=False)
