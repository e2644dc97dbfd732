"""The dashboard for quality engineers. It uses Streamlit; no other part of steelflow does.

    app.py         the frame around every page: title, login, navigation
    frame.py       shared by all pages: headings, empty states, and a guard so that no traceback is ever shown
    formats.py     how numbers, dates and texts from outside are shown
    app_pages/     one file per page, run from top to bottom at every change; not named ``pages``: Streamlit would
                   run such a folder by itself, without our roles
    charts/        a Polars frame in, an Altair chart out; no Streamlit
    data/          stores and readers, opened once, and the figures made from them
    media/         images and thumbnails of the archive
    auth/          roles, and every action that changes something: labels, promotion, rollback, starting a run

To add a page, write ``app_pages/NAME.py`` with a function that shows it and a call of that function at the end. Then
add a line to ``PAGES`` in ``app.py``. Rules for a page:

- Call ``frame.heading(…)`` first. Use ``sources`` for data and ``charts`` for charts. No ``try`` is needed: an error of
  ours is shown as one line, any other error as a short message with a number that is also in the log. For a part that
  reruns by itself use ``frame.fragment``, not ``st.fragment``, which has no guard.
- Pass texts from outside (file names, coils, reasons) through ``formats.plain`` wherever Streamlit reads Markdown: in
  ``st.markdown``, ``st.caption``, ``st.error``, and in the labels of widgets. Tables and ``st.text`` do not need it.
- Filters are widgets with ``key=`` and ``bind="query-params"``, so users can share the address of a view.
- A change is a function that takes the ``Actor`` and starts with ``actor.must_be("labeller")`` or ``"operator"``. The
page
  passes ``access.actor()``. The actor's name is recorded with the change.
"""
