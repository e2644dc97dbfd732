"""The dashboard behind a login: a real OpenID provider, its page in a real browser, and what each role may do after."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser import Trouble, answering, browser, change, dashboard, free_port, needs_chromium, opened, press, settled
from plants import NIGHT, make_plant
from playwright.sync_api import Browser, Locator, Page, Route, expect

from steelflow.config import Settings, load_settings
from steelflow.labels import open_labels
from steelflow.night.run import inspect_night
from steelflow.registry import open_registry

pytestmark = [pytest.mark.slow, needs_chromium]
STYLES = "cdn.jsdelivr.net"  # the provider's page asks for them there
VERIFIED = {"vera": "viewer", "lena": "labeller", "otto": "operator", "nora": None}
SHOWN = "@\u2060plant.example"  # which keeps it from becoming a link
UNVERIFIED = {"uwe": False, "ute": "false"}  # operators, had their addresses been verified
CONFIG = """\
home = "{home}"
[archive]
uri = "{archive}"
[report]
uri = "{report}"
[dashboard]
default_role = "none"
[dashboard.roles]
"Vera@plant.example" = "viewer"
"lena@plant.example" = "labeller"
"otto@plant.example" = "operator"
"uwe@plant.example" = "operator"
"ute@plant.example" = "operator"
"""
SECRETS = """\
[auth]
redirect_uri = "http://127.0.0.1:{{port}}/oauth2callback"
cookie_secret = "of the tests, and long enough for a key"
client_id = "{client_id}"
client_secret = "{client_secret}"
server_metadata_url = "{issuer}/.well-known/openid-configuration"
"""


@dataclass(frozen=True)
class Guarded:
    """A dashboard at ``url`` that asks the provider at ``issuer`` who somebody is."""

    settings: Settings
    url: str
    issuer: str
    browser: Browser

    @contextlib.contextmanager
    def open(self) -> Iterator[tuple[Page, Trouble]]:
        with opened(self.browser, self.url, hosts=(self.issuer.removeprefix("http://"), STYLES)) as (page, trouble):
            page.route(f"https://{STYLES}/**", _no_styles)
            yield page, trouble

    @contextlib.contextmanager
    def as_(self, name: str) -> Iterator[tuple[Page, Trouble]]:
        """A tab in which somebody has logged in."""
        with self.open() as (page, trouble):
            self.log_in(page, name)
            yield page, trouble

    def log_in(self, page: Page, name: str) -> None:
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{self.issuer}/**")
        page.get_by_role("button", name=name, exact=True).click()
        page.wait_for_url(f"{self.url}/**")
        settled(page)

    def log_out(self, page: Page) -> None:
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url(f"{self.issuer}/**")
        page.get_by_role("button", name="End session").click()
        page.wait_for_url(f"{self.url}/**")
        settled(page)

    def go(self, page: Page, name: str) -> None:
        page.goto(f"{self.url}/{name}")
        settled(page)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """One inspected night and two models, behind a provider that knows the client and its people."""
    folder = tmp_path_factory.mktemp("login")
    config, secrets = folder / "steelflow.toml", folder / "secrets.toml"
    images = make_plant(folder / "plant")
    config.write_text(CONFIG.format(home=folder / "home", archive=images, report=folder / "report"))
    settings = load_settings(config)
    inspect_night(settings, NIGHT)
    for name in ("steelnet", "ssdc_mininet"):
        open_registry(settings).register(name, who="ann", reason="for the tests")
    port = free_port()
    with provider(folder / "provider.log") as issuer, browser() as started:
        client = registered(issuer, f"http://127.0.0.1:{port}/oauth2callback")
        secrets.write_text(SECRETS.format(issuer=issuer, **client))
        environment = {"STREAMLIT_SECRETS_FILES": str(secrets), "PREFECT_API_URL": "http://127.0.0.1:9/api"}
        with dashboard(config, folder / "dashboard.log", environment, port) as url:
            yield Guarded(settings, url, issuer, started)


@contextlib.contextmanager
def provider(log: Path) -> Iterator[str]:
    """An OpenID provider with its own accounts, which takes registered clients only; yields its issuer."""
    port = free_port()
    claims = [
        {"sub": name, "email": f"{name}@plant.example", "email_verified": UNVERIFIED.get(name, True)}
        for name in (*VERIFIED, *UNVERIFIED)
    ]
    people = [part for one in claims for part in ("--user-claims", json.dumps(one))]
    strict = ("--require-registration", "--require-nonce")
    issuer = f"http://127.0.0.1:{port}"
    command = ("-m", "oidc_provider_mock", "--port", str(port), *strict, *people)
    with answering(command, log, f"{issuer}/.well-known/openid-configuration"):
        yield issuer


def registered(issuer: str, redirect: str) -> dict[str, str]:
    """``client_id`` and ``client_secret`` of a new client."""
    body = json.dumps({"redirect_uris": [redirect]}).encode()
    request = urllib.request.Request(f"{issuer}/oauth2/clients", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        client: dict[str, str] = json.load(answer)
    return {name: client[name] for name in ("client_id", "client_secret")}


def _no_styles(route: Route) -> None:
    route.fulfill(content_type="text/css", body="")


def classes(page: Page) -> Locator:
    """The buttons that label an image."""
    return page.locator('[class*="st-key-class-"] button')


@pytest.mark.parametrize("name", ["vera", "lena", "otto"])
def test_each_role_finds_what_it_may_do_and_nothing_else(guarded: Guarded, name: str) -> None:
    role = VERIFIED[name]
    with guarded.as_(name) as (page, trouble):
        expect(page.get_by_test_id("stSidebar")).to_contain_text(f"{name}{SHOWN} · {role}")
        expect(page.locator("h1").first).to_have_text("Tonight")
        guarded.go(page, "review")
        expect(classes(page).first).to_be_enabled(enabled=role != "viewer")
        guarded.go(page, "models")
        expect(page.locator(".st-key-promote button")).to_be_enabled(enabled=role == "operator")
        guarded.go(page, "runs")
        expect(page.get_by_role("button", name="Retrain")).to_have_count(1 if role == "operator" else 0)
        assert trouble == []


def test_no_key_of_a_viewer_labels(guarded: Guarded) -> None:
    before = open_labels(guarded.settings).current().height
    with guarded.as_("vera") as (page, trouble):
        guarded.go(page, "review")
        press(page, "1")
        expect(page.get_by_text("you need the role labeller")).to_be_visible()
        assert open_labels(guarded.settings).current().height == before
        assert trouble == []


def test_a_label_has_the_name_of_who_logged_in(guarded: Guarded) -> None:
    with guarded.as_("lena") as (page, trouble):
        guarded.go(page, "review")
        press(page, "2")
        assert set(open_labels(guarded.settings).current()["who"]) == {"lena@plant.example"}
        assert trouble == []


def test_a_promotion_has_the_name_of_who_logged_in(guarded: Guarded) -> None:
    with guarded.as_("otto") as (page, trouble):
        guarded.go(page, "models")
        change(page, "promote", "it is faster")
        last = open_registry(guarded.settings).log()[-1]
        assert (last.action, last.who, last.reason) == ("promote", "otto@plant.example", "it is faster")
        assert trouble == []


def test_a_user_without_a_role_may_log_in_as_another(guarded: Guarded) -> None:
    with guarded.as_("nora") as (page, trouble):
        expect(page.get_by_text(f"nora{SHOWN} has no role here; an administrator gives one")).to_be_visible()
        expect(page.get_by_test_id("stMetric")).to_have_count(0)
        guarded.log_out(page)
        guarded.log_in(page, "vera")
        expect(page.get_by_test_id("stSidebar")).to_contain_text(f"vera{SHOWN} · viewer")
        assert trouble == []


@pytest.mark.parametrize("name", UNVERIFIED)
def test_an_address_that_was_not_verified_has_no_role(guarded: Guarded, name: str) -> None:
    with guarded.as_(name) as (page, trouble):
        expect(page.get_by_text(f"{name}{SHOWN} is not verified")).to_be_visible()
        expect(page.get_by_test_id("stMetric")).to_have_count(0)
        assert trouble == []


@pytest.mark.parametrize(
    ("secrets", "told"),
    [
        (None, "No secrets found"),
        ("[auth\n", "Error parsing secrets file"),
        ('[auth]\nredirect_uri = "http://x/oauth2callback"\ncookie_secret = "hidden"\n', "missing the following keys"),
    ],
)
def test_a_login_that_is_set_up_wrongly_lets_nobody_in(
    guarded: Guarded, tmp_path: Path, secrets: str | None, told: str
) -> None:
    config, file = tmp_path / "steelflow.toml", tmp_path / "secrets.toml"
    config.write_text(CONFIG.format(home=tmp_path / "home", archive=tmp_path / "images", report=tmp_path / "report"))
    if secrets is not None:
        file.write_text(secrets)
    environment = {"STREAMLIT_SECRETS_FILES": str(file)}
    with (
        dashboard(config, tmp_path / "dashboard.log", environment) as url,
        opened(guarded.browser, url) as (page, trouble),
    ):
        if page.get_by_role("button", name="Log in").count():
            page.get_by_role("button", name="Log in").click()
            settled(page)
        expect(page.get_by_text(told)).to_be_visible()
        expect(page.get_by_test_id("stSidebarNav")).to_have_count(0)
        assert "hidden" not in page.inner_text("body")
        assert trouble == []


def test_after_logging_out_every_page_asks_for_a_login(guarded: Guarded) -> None:
    with guarded.as_("otto") as (page, trouble):
        guarded.log_out(page)
        for name in ("", "models"):
            guarded.go(page, name)
            expect(page.get_by_role("button", name="Log in")).to_be_visible()
            expect(page.get_by_test_id("stSidebarNav")).to_have_count(0)
        assert trouble == []
