"""Keys as plants and packers write them, and the fields that they mean. A new layout is one more entry."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

DAY = dt.date(2026, 11, 16)
NFC, NFD = "Süd", "Su\u0308d"


class Layout(NamedTuple):
    """``fields`` are line, date and coil of every key; ``others`` are keys of other nights, and of none."""

    template: str
    keys: tuple[str, ...]
    fields: tuple[str | None, dt.date | None, str | None]
    others: tuple[str, ...] = ()


LAYOUTS: dict[str, Layout] = {
    "year, month and day": Layout(
        "{line}/{year}/{month}/{day}/{coil}/{name}",
        ("L1/2026/11/16/C7/a.png", "L1/2026/11/16/C7/b/c.png"),
        ("L1", DAY, "C7"),
        ("L1/2026/11/17/C7/a.png", "L1/2025/11/16/C7/a.png", "L1/2026/12/16/C7/a.png", "L1/2026/13/16/C7/a.png"),
    ),
    "parts of a date in one folder, without zeros": Layout(
        "{year}/{month}-{day}/{line}/{coil}_{name}",
        ("2026/11-16/L1/C7_a.png",),
        ("L1", DAY, "C7"),
        ("2026/1-6/L1/C7_a",),
    ),
    **{
        f"a date as {text}": Layout("{line}/{date}/{coil}/{name}", (f"L1/{text}/C7/a.png",), ("L1", DAY, "C7"))
        for text in ("2026-11-16", "20261116", "2026_11_16", "2026.11.16")
    },
    "hours and shifts below the date": Layout(
        "{line}/{date}/{shift}/{hour}/{coil}/{name}",
        ("L1/20261116/early/06/C7/a.png", "L1/20261116/late/22h/C7/a.png"),
        ("L1", DAY, "C7"),
    ),
    "names of macOS": Layout("{line}/{date}/{coil}/{name}", (f"{NFD}/20261116/{NFD}/a.png",), (NFC, DAY, NFC)),
    "names of Windows": Layout("{line}/{date}/{coil}/{name}", (f"{NFC}/20261116/{NFC}/a.png",), (NFC, DAY, NFC)),
}

MEMBERS: dict[str, tuple[str, str]] = {
    "a folder": ("coil=C7/a.png", "C7"),
    "a dot": ("./coil=C7/a.png", "C7"),
    "a packer of Windows": ("coil=C7\\a.png", "C7"),
    "a packer of Windows, and a dot": (".\\coil=C7\\deep\\a.png", "C7"),
    "macOS": (f"coil={NFD}/a.png", NFC),
}
"""Names of members in a shard, and the coil that they mean."""
