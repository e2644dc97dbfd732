"""Links from one page to another: addresses, and what was picked in a table or a chart."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Literal
from urllib.parse import urlencode

Page = Literal["tonight", "coil", "images", "drift", "defects", "runs", "models", "review"]


def to(page: Page, places: Mapping[str, str]) -> str:
    """The address of a page, relative to any other page. ``browser.js`` opens it in the same tab."""
    return f"{'./' if page == 'tonight' else page}?{urlencode(places)}"


def script(page: Page) -> str:
    """The file of a page, for ``st.page_link`` and ``st.switch_page``."""
    return f"app_pages/{page}.py"


def of_coil(night: dt.date, line: str | None, coil: str) -> dict[str, str]:
    return {"night": night.isoformat(), **({} if line is None else {"line": line}), "coil": coil}


def of_image(night: dt.date, row: Mapping[str, Any], line: str | None = None) -> dict[str, str]:
    """The address of an image. ``row``: object_key, member, ordinal, and line unless it is given."""
    asked = {"night": night.isoformat(), "object": row["object_key"], "ordinal": str(row["ordinal"])}
    asked |= {"member": row["member"]} if row["member"] is not None else {}
    line = line if line is not None else row.get("line")
    return asked | ({"of": line} if line is not None else {})


def ticking(name: str, rows: Iterable[object]) -> str:
    """The key of a table in which these rows can be ticked. Streamlit keeps a tick as the number of a row: if other
    rows came under the same key, it would be on one that nobody has ticked."""
    return f"{name}-{hashlib.sha256(repr(list(rows)).encode()).hexdigest()[:12]}"


def row_of(state: Any) -> int | None:
    """The row of a table that was ticked, or that has the cell which was clicked."""
    selection = state["selection"]
    if selection["rows"]:
        return int(selection["rows"][0])
    cells = selection.get("cells") or []
    return int(cells[0][0]) if cells else None


def picked(state: Any, name: str = "pick") -> dict[str, Any] | None:
    """The fields of the mark of a chart that was clicked. ``name`` is that of the chart's selection."""
    found = state.get("selection", {}).get(name) or []
    return dict(found[0]) if found else None
