"""One spelling of a name. macOS writes ``é`` as two code points and other systems as one: both are one name."""

from __future__ import annotations

import unicodedata


def nfc(name: str) -> str:
    """The composed form of a name (Unicode Standard Annex #15)."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def spellings(key: str) -> list[str]:
    """How else a key may be written in the archive: composed, decomposed, and with ``/`` where Windows wrote a
    backslash. Without the key itself."""
    slashed = key.replace("\\", "/")
    forms = [unicodedata.normalize(form, one) for one in (key, slashed) for form in ("NFC", "NFD")]
    return [one for one in dict.fromkeys((slashed, *forms)) if one != key]
