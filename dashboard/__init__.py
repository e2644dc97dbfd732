"""The dashboard: what a quality engineer opens in the morning. Streamlit, and nothing else of steelflow knows it.

    app.py         the frame around every page: title, the visitor, navigation
    frame.py       what pages share: headings, empty states, and a guard so that no traceback is ever shown
    formats.py     how numbers, dates and texts from outside are shown
    app_pages/     one file a page, run from top to bottom each time something on it changes; not named ``pages``,
                   which Streamlit would run by itself, past the roles
    charts/        a Polars frame in, an Altair chart out; no Streamlit
    data/          stores and readers, made once, and the figures made from them
    media/         pictures and thumbnails of archive images
    auth/          roles, and every action that changes something: labels, promotion, rollback, starting a run

A page is added in two steps: write ``app_pages/NAME.py`` with a function that shows it and a call of that function at
the end, and give it a line in ``PAGES`` of ``app.py``. In it:

- ``frame.heading(…)`` first; then ``sources`` for data, ``charts`` for pictures. What may fail needs no ``try``:
  an error of ours is shown as its one line, and anything else as a short message with a number that the log has too.
  A part that reruns by itself is a ``frame.fragment``, not ``st.fragment``, which would lose that.
- Texts from outside (file names, coils, reasons) go through ``formats.plain`` wherever Streamlit reads Markdown: in
  ``st.markdown``, ``st.caption``, ``st.error``, and in the labels of widgets. Tables and ``st.text`` show them as are.
- Filters are widgets with ``key=`` and ``bind="query-params"``: the address of what is shown can be sent to others.
- What changes something is a function that takes the ``Actor`` and starts with ``actor.must_be("labeller")`` or
  ``"operator"``; the page passes ``access.actor()``. The name of the actor is recorded with the change.
"""
