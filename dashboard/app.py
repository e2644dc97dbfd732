"""The frame around every page. ``steelflow dashboard`` runs it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage as Page

from dashboard import address, finder, frame, head
from dashboard.auth import access
from dashboard.data import sources
from dashboard.formats import plain

# section → file, title, icon, description. A page appears if its file exists.
PAGES = {
    "Quality": (
        ("tonight", "Tonight", ":material/nightlight:", "The last night at a glance."),
        ("defects", "Defects", ":material/bar_chart:", "Defects by class, line and date."),
        ("coil", "Coil", ":material/straighten:", "One coil along its length."),
        ("images", "Images", ":material/photo_library:", "Single images, and the reasons for their class."),
    ),
    "Model": (
        ("review", "Review", ":material/label:", "Label the images that help the model most."),
        ("drift", "Drift", ":material/trending_up:", "What changed against the model's reference."),
        ("classes", "Classes", ":material/category:", "Retire, rename and merge classes."),
        ("models", "Models", ":material/model_training:", "Versions, their figures, promotion and rollback."),
    ),
    "Operation": (("runs", "Runs", ":material/schedule:", "Watch and start nights, retrainings and backfills."),),
}
_WITHOUT_NIGHT = ("review", "classes", "models", "runs")  # pages without a selector of nights
_HERE = Path(__file__).parent


def main() -> None:
    # Our own icon: Streamlit's default icon is loaded from another host.
    st.set_page_config(page_title="steelflow", page_icon=str(_HERE / "icon.svg"), layout="wide")
    st.html(f"<script>{head.SCRIPT}</script>", unsafe_allow_javascript=True)
    st.html(_HERE / "page.css")
    settings = sources.settings()
    st.set_page_config(page_title=settings.dashboard.title)
    st.logo(str(_HERE / "icon.svg"), size="large")
    try:
        who = access.actor()
    except access.NotAllowed as exc:
        frame.empty("You have no access", plain(exc))
        with st.container(horizontal_alignment="center"):
            st.button("Log out", on_click=st.logout)  # another account may have a role
        return
    if who is None and not access.has_login():
        st.navigation([st.Page(logged_out, title="Logged out")], position="hidden").run()
        return
    if who is None:
        frame.empty("Log in to see this plant's reports", "Your role depends on your e-mail address.")
        with st.container(horizontal_alignment="center"):
            st.button("Log in", type="primary", on_click=frame.guarded(access.log_in))
        return
    page = st.navigation(
        {
            section: [
                st.Page(f"app_pages/{name}.py", title=title, icon=icon, help=about, default=name == "tonight")
                for name, title, icon, about in pages
                if (_HERE / "app_pages" / f"{name}.py").exists()
            ]
            for section, pages in PAGES.items()
        }
    )
    with st.sidebar:
        st.caption(f"{plain(settings.dashboard.title)}  \n{plain(who.name)} · {who.role}")
        if who.name != access.GUEST:
            st.button("Log out", on_click=access.log_out)
    address.enter(page.url_path)
    finder.show()
    frame.guarded(run)(page)


def run(page: Page) -> None:
    """The page, with its night in the address; most pages have a selector that puts it there."""
    if page.url_path in _WITHOUT_NIGHT:
        address.keep(sorted({*sources.nights(), *sources.recorded_nights()}))
    page.run()


def logged_out() -> None:
    frame.empty("You are logged out", "`steelflow dashboard --link` prints a new link. Run it as the same account.")


frame.guarded(main)()
