"""Night, line and coil of a page: chosen in its selectors, always in its address, and kept from page to page.

Streamlit can bind a selector to the address by itself. It then leaves out what is chosen when the page opens: a link to
the latest night would be a link to another night tomorrow. So these selectors are not bound. A page asks for them with
``choose`` and writes them with ``write`` as soon as it knows them.

Who decides what is chosen:

- the address, if it is not the one that this page wrote last: a link was opened, or somebody went back;
- else the selector;
- else, on a page that the navigation opened, what the page before had. Streamlit's navigation empties the address.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import streamlit as st

from steelflow.errors import SteelflowError

_STATE = "address"
_FEW = 8  # names that a refusal lists

Key = Literal["night", "line", "coil"]


@dataclass
class _State:
    """Of a session. ``seen`` is what the page read from its address or wrote into it, ``context`` what the pages chose
    last, ``fresh`` whether the page was just opened."""

    page: str | None = None
    fresh: bool = True
    seen: dict[str, str | None] = field(default_factory=dict)
    context: dict[str, str | None] = field(default_factory=dict)


class NotThere(SteelflowError):
    """The address names something that this plant does not have."""


def enter(page: str) -> None:
    """A page begins to run."""
    state = _state()
    state.fresh = state.page != page
    if state.fresh:
        state.page, state.seen = page, {}


def choose(
    label: str,
    key: Key,
    options: Sequence[str],
    usual: str,
    width: int = 150,
    every: str | None = None,
    label_visibility: Literal["visible", "collapsed"] = "visible",
) -> str:
    """A selector of one of ``options``.

    Args:
        usual: what is chosen if nothing else says so.
        every: the option that stands for no choice, such as "all". It is not in the address.

    Raises:
        NotThere: the address asks for something else.
    """
    wanted, refused = _wanted(key, options, usual, every)
    st.session_state[key] = None if refused else wanted
    picked = st.selectbox(
        label,
        options,
        index=None if refused else 0,  # without an index a selector could be emptied
        key=key,
        width=width,
        placeholder=f"choose a {key}",
        label_visibility=label_visibility,
    )
    if picked is None:
        raise NotThere(f"the {key} {wanted!r} is not here; {_there(key, options)}")
    return str(picked)


def keep(nights: Sequence[dt.date]) -> None:
    """The night on a page that has no selector for it: that of the address, else that of the page before, else the
    latest. It goes with the user to the next page.

    Args:
        nights: those that there are, ascending. Without any, nothing is asked and nothing written.

    Raises:
        NotThere: the address asks for another one.
    """
    if not nights:
        return
    names = [night.isoformat() for night in reversed(nights)]
    wanted, refused = _wanted("night", names, names[0], None)
    if refused:
        raise NotThere(f"the night {wanted!r} is not here; {_there('night', names)}")
    write(night=wanted)


def typed(label: str, key: str, placeholder: str, width: int) -> str:
    """A field for a text that is in the address, but does not go with the user to other pages."""
    state, asked = _state(), st.query_params.get(key)
    if state.fresh or asked != state.seen.get(key):
        st.session_state[key] = asked or ""
    text = st.text_input(label, key=key, placeholder=placeholder, width=width).strip()
    put(**{key: text or None})
    return text


def pills(label: str, key: str, options: Sequence[str], words: Callable[[str], str]) -> list[str]:
    """Several of ``options``, shown as ``words``. In the address they have their own names: words may change. They do
    not go with the user to other pages."""
    state, asked = _state(), st.query_params.get_all(key)
    if state.fresh or "\n".join(asked) != (state.seen.get(key) or ""):
        st.session_state[key] = [one for one in options if one in asked or words(one) in asked]
    chosen = st.pills(label, options, selection_mode="multi", key=key, label_visibility="collapsed", format_func=words)
    if chosen and chosen != asked:
        st.query_params[key] = chosen
    elif asked and not chosen:
        del st.query_params[key]
    state.seen[key] = "\n".join(chosen)
    return list(chosen)


def write(**places: str | None) -> None:
    """Put these into the address, remove those that are None, and keep them for the next page."""
    put(**places)
    _state().context.update(places)


def put(**places: str | None) -> None:
    """Put these into the address, and remove those that are None."""
    state = _state()
    for name in [name for name, value in places.items() if value is None and name in st.query_params]:
        del st.query_params[name]
    new = {name: value for name, value in places.items() if value is not None and st.query_params.get(name) != value}
    if new:
        st.query_params.update(new)
    state.seen.update(places)


def context() -> dict[str, str]:
    """What the pages of this session chose last, for a link to another page."""
    return {name: value for name, value in _state().context.items() if value is not None}


def _wanted(key: Key, options: Sequence[str], usual: str, every: str | None) -> tuple[str, bool]:
    """What the selector shows, and whether that must be refused."""
    state = _state()
    asked, own = st.query_params.get(key), st.session_state.get(key)
    wanted: str | None
    if (asked is not None) if state.fresh else (asked != state.seen.get(key)):
        wanted, strict = asked, True
    elif own is not None and not state.fresh:
        wanted, strict = own, False
    elif asked is not None:
        wanted, strict = asked, True
    else:
        wanted, strict = state.context.get(key), key == "night"
    state.seen[key] = asked
    if wanted is None:
        wanted, strict = every or usual, False
    if wanted in options:
        return wanted, False
    return (wanted, True) if strict else (every or usual, False)


def _state() -> _State:
    made: _State = st.session_state.setdefault(_STATE, _State())
    return made


def _there(key: str, options: Sequence[str]) -> str:
    if not options:
        return f"there is no {key}"
    if key == "night" and len(options) > _FEW:
        return f"there are {len(options)} nights, from {min(options)} to {max(options)}"
    named = ", ".join(str(one) for one in options[:_FEW])
    rest = f" and {len(options) - _FEW} more" if len(options) > _FEW else ""
    return f"choose one of these: {named}{rest}"
