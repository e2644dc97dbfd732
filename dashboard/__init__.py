"""The dashboard: what a quality engineer opens in the morning. Streamlit, and nothing else of steelflow knows it.

    app.py              the frame around every page: title, who is here, navigation
    app_pages/          one file per page, run from top to bottom each time something on it changes
    frame.py            what pages share: headings, empty states, and that no traceback is ever shown
    access.py           roles, and who is here
    sources.py          stores and readers, made once, and the cached questions to them
    charts*.py          Polars frame in, Altair chart out; no Streamlit
    actions.py          what changes something: label, undo, promote, roll back; each checks the role itself
    images.py           which images a page of the gallery shows, without Streamlit
    labelling.py        the review queue of one visitor
    drifting.py         the drift table as the page asks of it
    judges.py           the model of a row, found again by its digest; pictures.py: images ahead of the visitor
    palette.py          one colour for a class, wherever it is shown
    formats.py          numbers, dates and texts from outside, as they are shown
    thumbnails.py       images of the archive, fetched when they are looked at
    orchestrator.py     Prefect over HTTP: what runs, and starting it

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
