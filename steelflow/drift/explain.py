"""One HTML page that explains a verdict: what moved, on which line, how far, with images from before and after.

The page needs no other file: charts are SVG, images are encoded again from decoded pixels, and every name that comes
from an archive is escaped.
"""

from __future__ import annotations

import base64
import datetime as dt
import html
from collections.abc import Callable, Iterable, Mapping

import cv2
import polars as pl

from steelflow.archive.fetch import fetch_image
from steelflow.config import LimitSettings
from steelflow.drift.check import night_samples
from steelflow.drift.reading import Reading
from steelflow.drift.references import References
from steelflow.drift.sample import IMAGE
from steelflow.drift.signals import SIGNALS
from steelflow.drift.signals.base import Bars
from steelflow.drift.signals.rows import LineRows
from steelflow.drift.verdict import LineVerdict, NightVerdict
from steelflow.images.decode import decode
from steelflow.records import Failure
from steelflow.store.base import Store

EXPLANATIONS = "drift/explanations/"

Fetch = Callable[[str, str | None, int | None], bytes | Failure]
Rows = Mapping[str | None, pl.DataFrame]

_PICTURES = 6
_SIDE = 160  # pixels
_WIDTH, _HEIGHT = 300, 90
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1080px;margin:2rem auto;padding:0 1rem;color:#1c2733}
h1,h2,h3{line-height:1.2} table{border-collapse:collapse} td,th{padding:.2rem .8rem .2rem 0;text-align:left}
td.n{text-align:right;font-variant-numeric:tabular-nums} .over{color:#b3261e;font-weight:600}
.row{display:flex;flex-wrap:wrap;gap:.6rem} figure{margin:0;width:160px;font-size:11px;overflow-wrap:anywhere}
figure img,.gone{width:160px;height:160px;object-fit:contain;background:#eef1f4}
.gone{padding:.5rem;box-sizing:border-box}
.before{fill:#9aa7b4;fill-opacity:.55} .after{fill:#b3261e;fill-opacity:.45} small{color:#5b6875}
"""


def write_explanation(
    report: Store,
    archive: Store,
    verdict: NightVerdict,
    limits: LimitSettings,
    reference: bytes | None = None,
    most_novel: float = 1.0,
) -> str | None:
    """Write the page of a night that alarms or warns, and return its key; no page and None for any other night.

    Args:
        report: the root of the reports, where the page is written.
        archive: where the images are read.
        reference: the profile that the model brings, as for ``check_night``.
        most_novel: ``drift.max_novel`` of the settings.
    """
    if verdict.date is None or verdict.verdict not in ("alarm", "warn"):
        return None
    references = References(report, verdict.model_digest, reference, most_novel)
    samples = night_samples(report, verdict.date, verdict.model_digest)
    moved = [one.line for one in verdict.lines if one.breaches]
    before = {line: rows for line in moved if (rows := references.line(line)) is not None}
    after = {line: samples[line].rows for line in moved if line in samples}

    def fetch(key: str, member: str | None, ordinal: int | None) -> bytes | Failure:
        return fetch_image(archive, key, member, ordinal, limits)

    key = f"{EXPLANATIONS}date={verdict.date.isoformat()}.html"
    report.put(key, page(verdict, before, after, fetch, fetch, limits).encode("utf-8", "backslashreplace"))
    return key


def page(
    verdict: NightVerdict, before: Rows, after: Rows, fetch_before: Fetch, fetch_after: Fetch, limits: LimitSettings
) -> str:
    """The page as HTML.

    Args:
        before, after: rows of the lines that moved, from the reference and from the night; columns ``sample.COLUMNS``.
        fetch_before, fetch_after: read an image of either side by key, member and ordinal.
        limits: on decoding these images.
    """
    night = "" if verdict.date is None else f" on the night of {verdict.date.isoformat()}"
    parts = [f"<h1>Drift{night}: {verdict.verdict}</h1>", _list(verdict.reasons)]
    for line in verdict.lines:
        if line.breaches and line.line in before and line.line in after:
            old, new, own = before[line.line], after[line.line], limits.of(line.line)
            parts += [_line(line), *(_drawing(one, old, new) for one in line.breaches)]
            parts.append(f"<h3>Pictures before</h3>{_pictures(old, fetch_before, own)}")
            parts.append(f"<h3>Pictures of the night</h3>{_pictures(new, fetch_after, own)}")
            worst = line.breaches[0].signal
            flags = SIGNALS[worst](LineRows(old)).standing_out(LineRows(new))
            if flags is not None and flags.any():
                parts.append(f"<h3>Those that stand out ({worst})</h3>{_pictures(new.filter(flags), fetch_after, own)}")
    made = dt.datetime.now(dt.UTC).isoformat(timespec="minutes")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f"content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\"><title>Drift{night}</title>"
        f"<style>{_STYLE}</style>{''.join(parts)}<p><small>model {_safe(verdict.model_digest[:12])}; {made}; "
        "accuracies on this page are estimates, made without labels</small></p></html>"
    )


def _line(line: LineVerdict) -> str:
    rows = "".join(
        f"<tr{' class=over' if one.breach else ''}><td>{_safe(one.signal)}<td>{_safe(one.family)}"
        f"<td class=n>{one.value:.3f}<td class=n>{one.threshold:.3f}<td class=n>{one.share:.2f}"
        f"<td>{_safe(SIGNALS[one.signal].unit)}"
        for one in sorted(line.readings, key=lambda one: -one.share)
    )
    estimate = f" {line.accuracy[0].upper()}{line.accuracy[1:]}." if line.accuracy else ""
    return (
        f"<h2>{_safe(line.line or 'All images')}: {line.verdict}</h2><p>{_safe(line.reason)}. {line.images:,} readable "
        f"images, {line.reference_images:,} in the reference.{estimate}</p><table><tr><th>signal<th>family<th>value"
        f"<th>threshold<th>of threshold<th>unit</tr>{rows}</table>"
    )


def _drawing(one: Reading, before: pl.DataFrame, after: pl.DataFrame) -> str:
    """The distribution behind a reading; the reference in grey, the night in red."""
    title = f"<h3>{_safe(one.text)}</h3>"
    chart = SIGNALS[one.signal].bars(before, after)
    return title if chart is None else f"{title}{_bars(chart)}<p><small>{_safe(chart.caption)}</small></p>"


def _bars(chart: Bars) -> str:
    shares = [counts / counts.sum() for counts in (chart.before, chart.after)]
    top = max(float(share.max()) for share in shares)
    width = _WIDTH / len(chart.before)
    drawn = "".join(
        f'<rect class="{kind}" x="{i * width:.1f}" y="{_HEIGHT * (1 - value / top):.1f}" width="{width * 0.92:.1f}" '
        f'height="{_HEIGHT * value / top:.1f}"/>'
        for kind, share in zip(("before", "after"), shares, strict=True)
        for i, value in enumerate(share)
    )
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{drawn}</svg>'


def _pictures(rows: pl.DataFrame, fetch: Fetch, limits: LimitSettings) -> str:
    """A few images, drawn by a hash: not selected by hand, and the same ones every time."""
    chosen = rows.sort(pl.struct(IMAGE).hash(7), *IMAGE).head(_PICTURES)
    return f'<div class="row">{"".join(_figure(row, fetch, limits) for row in chosen.iter_rows(named=True))}</div>'


def _figure(row: Mapping[str, object], fetch: Fetch, limits: LimitSettings) -> str:
    key, member, ordinal = (row[name] for name in IMAGE)
    data = fetch(key, member, ordinal)  # type: ignore[arg-type]  # columns of a report
    picture = data if isinstance(data, Failure) else decode(data, limits)
    name = f"{key} · {member}" if member else str(key)
    caption = f"<figcaption>{_safe(str(row['label']))}<br>{_safe(name)}</figcaption>"
    if isinstance(picture, Failure):
        return f'<figure><div class="gone">not available: {_safe(str(picture))}</div>{caption}</figure>'
    scale = min(1.0, _SIDE / max(picture.shape))
    height, width = (max(1, round(side * scale)) for side in picture.shape)
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    text = base64.b64encode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()).decode()
    return f'<figure><img alt="" src="data:image/jpeg;base64,{text}">{caption}</figure>'


def _list(sentences: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{_safe(one)}' for one in sentences)}</ul>"


def _safe(text: str) -> str:
    return html.escape("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text))
