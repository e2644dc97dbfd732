"""The morning report as one HTML page that needs no other file. Printed, it is a page of A4.

Every text from outside is escaped, and the page may load nothing.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

from steelflow.morning import words
from steelflow.morning.content import Held, Picture, Report

_STYLE = """
*{box-sizing:border-box} html{font-size:14px} body{color:#1c2733;
font:1rem/1.45 system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;
max-width:64rem;margin:1.5rem auto;padding:0 1rem;-webkit-print-color-adjust:exact;print-color-adjust:exact}
h1{font-size:1.45rem;line-height:1.2;margin:0} h2{font-size:1rem;margin:1.2rem 0 .4rem}
header{display:flex;justify-content:space-between;align-items:flex-end;gap:1rem;flex-wrap:wrap}
header p,.note,footer{color:#5b6670;margin:0} .badge{color:#fff;border-radius:3px;padding:.1rem .5rem;font-weight:600;
font-size:.85rem;white-space:nowrap} .trust{border-left:5px solid;background:#f3f5f7;padding:.6rem .8rem;margin:.8rem 0}
.trust b{text-transform:capitalize} ul{margin:.3rem 0;padding-left:1.1rem}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:.6rem}
.figures div{border:1px solid #d5dbe1;border-radius:4px;padding:.5rem .6rem}
.figures b{display:block;font-size:1.25rem;line-height:1.25;overflow-wrap:anywhere} .figures span{font-size:.8rem;
color:#5b6670;display:block;overflow-wrap:anywhere}
.coil{display:flex;flex-wrap:wrap;gap:.8rem;justify-content:space-between;border-top:1px solid #d5dbe1;padding:.5rem 0;
break-inside:avoid} .coil>div:first-child{flex:1 1 260px;min-width:0;overflow-wrap:anywhere}
.shots{display:flex;gap:.4rem} figure{margin:0;width:7.4rem;font-size:.7rem;color:#5b6670;overflow-wrap:anywhere}
figure img,.gone{width:7.4rem;height:7.4rem;display:block;background:#eceff2;border-radius:3px}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:0 1.6rem}
table{border-collapse:collapse;width:100%;font-size:.86rem} th{text-align:left;color:#5b6670;font-weight:500}
td,th{padding:.18rem .5rem .18rem 0;vertical-align:top;border-bottom:1px solid #e6eaee;overflow-wrap:anywhere}
td:first-child{min-width:3rem} .n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.bar{min-width:70px;width:35%}
.bar i{display:block;height:.8em;margin-top:.28em;background:#0072b2;border-radius:1px}
footer{margin-top:1rem;font-size:.78rem;border-top:1px solid #d5dbe1;padding-top:.4rem;overflow-wrap:anywhere}
@page{size:A4;margin:12mm} @media print{html{font-size:10px} body{max-width:none;margin:0;padding:0}
.figures{grid-template-columns:repeat(5,1fr)} .two{grid-template-columns:1fr 1fr} tr,.two{break-inside:avoid}
h2{break-after:avoid} .coil{padding:.3rem 0}}
"""


def page(report: Report, pictures: bool = True) -> str:
    """The report as HTML; ``pictures`` are part of it."""
    parts = [
        _head(report),
        _trust(report),
        "".join(f'<p class="note">{_safe(one)}</p>' for one in report.notes),
        _figures(report),
        _held(report, pictures),
        f'<div class="two"><section>{_pareto(report)}</section><section>{_lines(report)}</section></div>',
        _decisions(report),
        f"<footer>{_safe(words.foot(report))}</footer>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
        f"<title>{_safe(report.title)}</title><style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _head(report: Report) -> str:
    colour = words.STATES.get(report.state, words.RED)
    return (
        f"<header><div><h1>Morning report</h1><p>{_safe(report.plant)} · night of {_safe(report.night)}</p></div>"
        f'<span class="badge" style="background:{colour}">{_safe(report.state)}</span></header>'
    )


def _trust(report: Report) -> str:
    colour = words.ANSWERS[report.trust.answer]
    others = [one for one in report.missing if one.partition(";")[0] not in report.trust.sentence]
    missing = f"<ul>{''.join(f'<li>{_safe(one)}</li>' for one in others)}</ul>" if others else ""
    return (
        f'<div class="trust" style="border-color:{colour}"><span class="note">Can I trust this night?</span><br>'
        f"{_safe(report.trust.sentence)}{missing}</div>"
    )


def _figures(report: Report) -> str:
    tiles = (
        f"<div><span>{_safe(one.name)}</span><b>{_safe(one.value)}</b><span>{_safe(one.note)}</span></div>"
        for one in report.figures
    )
    return f'<div class="figures">{"".join(tiles)}</div>'


def _held(report: Report, pictures: bool) -> str:
    parts = ["<h2>Coils to hold</h2>"]
    parts += [_coil(one, pictures) for one in report.held] or ['<p class="note">None.</p>']
    for text in (words.more_held(report), words.released(report)):
        parts += [f'<p class="note">{_safe(text[0].upper() + text[1:])}.</p>'] if text else []
    if grade := words.to_grade(report):
        parts.append(f"<h2>To be graded</h2><p>{_safe(grade)}</p>")
    return "".join(parts)


def _coil(held: Held, pictures: bool) -> str:
    reasons = "".join(f"<li>{_safe(one)}</li>" for one in words.why(held))
    shots = "".join(_shot(one) for one in held.pictures) if pictures else ""
    return (
        f'<div class="coil"><div><b>{_safe(words.name(held.coil))}</b> <span style="color:{words.RED}">'
        f'{_safe(words.status(held))}</span><br><span class="note">{_safe(words.facts(held))}</span><ul>{reasons}</ul>'
        f'</div><div class="shots">{shots}</div></div>'
    )


def _shot(picture: Picture) -> str:
    caption = f"<figcaption>{_safe(picture.caption)}</figcaption>"
    if picture.data is None:
        return f'<figure><div class="gone"></div>{caption}</figure>'
    text = base64.b64encode(picture.data).decode()
    return f'<figure><img alt="{_safe(picture.caption)}" src="data:image/jpeg;base64,{text}">{caption}</figure>'


def _pareto(report: Report) -> str:
    most = max((one.number for one in report.pareto), default=1)
    rows = [
        f"<tr><td>{_safe(one.label.replace('_', ' '))}"
        f'<td class="bar"><i style="width:{100 * one.number / most:.1f}%"></i>'
        f'<td class="n">{one.number:,}<td class="n">{_safe(one.rate)}<td class="n">{one.cumulative:.0%}'
        for one in report.pareto
    ]
    head = '<tr><th>class<th><th class="n">defects<th class="n">rate<th class="n">sum'
    note = f'<p class="note">Rate: {_safe(report.rate_name)}.</p>'
    return f"<h2>Defects by class</h2>{_table(head, rows)}{note if rows else ''}"


def _lines(report: Report) -> str:
    rows = []
    for one in report.lines:
        verdict, colour = words.VERDICTS.get(one.verdict or "", words.NO_VERDICT)
        rows.append(
            f'<tr><td>{_safe(one.line)}<td class="n">{one.images:,}<td class="n">{one.failed:,}'
            f'<td class="n">{one.coils:,}'
            f'<td><b style="color:{colour}">{verdict}</b> {_safe(one.text)}'
        )
    head = '<tr><th>line<th class="n">images<th class="n">unread.<th class="n">coils<th>drift'
    return f"<h2>Lines and drift</h2>{_table(head, rows)}"


def _decisions(report: Report) -> str:
    rows = []
    for one in report.decided:
        assert one.decision is not None, "it was decided"
        changed = f'<br><span class="note">changed since: {_safe("; ".join(one.changed))}</span>' if one.changed else ""
        rows.append(
            f'<tr><td>{_safe(words.name(one))}<td style="color:{words.DISPOSITIONS[one.disposition]}">'
            f"{_safe(one.disposition)}<td>{_safe(one.decision.who)}<td>{_safe(words.when(one, report))}"
            f"<td>{_safe(one.decision.reason)}{changed}"
        )
    more = f'<p class="note">and {report.decided_more} more</p>' if report.decided_more else ""
    none = '<p class="note">Nobody has decided about a coil of this night.</p>'
    head = "<tr><th>coil<th>decision<th>who<th>when<th>reason"
    return f"<h2>Who decided what</h2>{_table(head, rows) if rows else none}{more}"


def _table(head: str, rows: Sequence[str] | Iterable[str]) -> str:
    body = "".join(rows)
    return f"<table>{head}{body}</table>" if body else '<p class="note">None.</p>'


def _safe(text: str) -> str:
    return html.escape("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text))
