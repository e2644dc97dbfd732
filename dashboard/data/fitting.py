"""How well a name, or a part of one, fits what there is: letters and digits count, in any case. No Streamlit."""

from __future__ import annotations

import polars as pl

_LOOSE = r"[^\p{L}\p{N}]+"  # what names are compared without
_EXACT, _NUMBER, _START, _END, PART = 100, 90, 70, 50, 40


def fit(name: str, of: str) -> int:
    """How well a name fits; 0 if it does not. An empty name fits all."""
    score: int = pl.DataFrame({"coil": [of]}).select(fits(name)).item()
    return score


def fits(name: str) -> pl.Expr:
    """``fit`` of a column ``coil``. Letters and digits count. A number is that of a coil whatever stands before it: 42
    is C0042."""
    text = "".join(char for char in name.lower() if char.isalnum())
    if not text:
        return pl.lit(0 if name else PART)
    loose = pl.col("coil").str.to_lowercase().str.replace_all(_LOOSE, "")
    number = loose.str.extract(r"(\d+)$").str.strip_chars_start("0")
    is_number = (number == text.lstrip("0")) if text.isdecimal() else pl.lit(False)
    return (
        pl.when(loose == text)
        .then(_EXACT)
        .when(is_number)
        .then(_NUMBER)
        .when(loose.str.starts_with(text))
        .then(_START)
        .when(loose.str.ends_with(text))
        .then(_END)
        .when(loose.str.contains(text, literal=True))
        .then(PART)
        .otherwise(0)
    )
