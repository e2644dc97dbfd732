"""The dashboard for quality engineers. It uses Streamlit; no other part of steelflow does.

    front.py       the application that the server runs: app.py, with head.py before it
    head.py        what the browser must know before Streamlit starts: browser.js, and where the server is
    browser.js     what Streamlit cannot do: steps of Back, links in the same tab, keys of Review
    page.css       phones, wide screens and paper
    app.py         the frame around every page: title, login, navigation
    address.py     night, line and coil of a page, in its address and from page to page
    links.py       addresses of coils and images; what was picked in a table or a chart
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
- Night, line and coil are chosen with ``address.choose`` and written with ``address.write``: a link means the same for
  ever. Other filters are widgets with ``key=`` and ``bind="query-params"``.
- What looks clickable is: a table has ``on_select="rerun"`` and ``links.row_of``, a picture ``link=links.to(…)``, a
  chart a selection named ``pick``.
- Every figure names the model that judged: ``model_parts.judged_by``.
- A change is a function that takes the ``Actor`` and starts with ``actor.must_be("labeller")`` or ``"operator"``. The
  page passes ``access.actor()``. The actor's name is recorded with the change.
"""
