"""Versions never change, the log never forgets, and what was edited inspects nothing."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelflow import __version__
from steelflow.errors import LockHeld, ModelError, RegistryError, StoreError
from steelflow.models.shipped import SHIPPED, resolve
from steelflow.records import ObjectInfo
from steelflow.registry import Registry
from steelflow.registry import log as chain
from steelflow.store import Store
from steelflow.store.local import LocalStore
from steelflow.store.lock import locked

WHO = "ann"


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an ONNX file and a card; another ``data_hash`` makes another version of it."""
    folder = tmp_path_factory.mktemp("model")
    for suffix in (".onnx", ".md"):
        shutil.copy(resolve("ssdc_mininet").with_suffix(suffix), folder)
    return folder


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return LocalStore(tmp_path / "registry", create=True)
    made: Store = request.getfixturevalue("fresh_bucket")()
    return made


@pytest.fixture
def registry(store: Store) -> Registry:
    return Registry(store)


@pytest.fixture
def local(tmp_path: Path) -> Registry:
    return Registry(LocalStore(tmp_path / "registry", create=True))


def fill(registry: Registry, model: Path, versions: int) -> list[str]:
    return [registry.register(model, who=WHO, reason="a test", data_hash=f"data {i}").version for i in range(versions)]


def promote(registry: Registry, *names: str) -> None:
    for name in names:
        registry.promote(name, who=WHO, reason=f"{name} is good")


def objects(store: Store) -> dict[str, bytes]:
    return {info.key: store.get(info.key) for info in store.list()}


def champion(registry: Registry) -> str | None:
    found = registry.champion()
    return None if found is None else found.version


# ---- versions


def test_a_version_keeps_everything(registry: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "trained"
    folder.mkdir()
    for path in resolve("steelnet").parent.glob("steelnet.*"):
        shutil.copy(path, folder)
    made = registry.register(
        folder, who=WHO, reason="the first", data_hash="abc", metrics={"golden_accuracy": 0.99}, reference=b"profile"
    )
    assert (made.version, made.name, made.arch, made.digest) == ("v1", "steelnet", "steelnet", SHIPPED["steelnet"])
    assert (made.data_hash, made.code, made.created_by, made.reason) == ("abc", __version__, WHO, "the first")
    assert len(made.classes) == 6
    files = {"model.onnx", "model.safetensors", "card.md", "curves.png", "metrics.json", "reference.parquet"}
    assert set(made.files) == files
    assert registry.versions() == [made] == [registry.version("v1")]
    for theirs, ours in (("model.onnx", ".onnx"), ("model.safetensors", ".safetensors"), ("card.md", ".md")):
        assert registry.read("v1", theirs) == (folder / f"steelnet{ours}").read_bytes()
        assert made.files[theirs].size == len(registry.read(made, theirs))
    assert registry.read("v1", "reference.parquet") == b"profile"
    assert json.loads(registry.read("v1", "metrics.json")) == {"golden_accuracy": 0.99}
    assert {key for key in objects(registry.store) if key.startswith("versions/")} == {
        f"versions/v1/{file}" for file in files | {"manifest.json"}
    }
    (entry,) = registry.log()
    assert (entry.number, entry.who, entry.action, entry.alias, entry.version) == (1, WHO, "register", None, "v1")
    assert registry.champion() is registry.challenger() is None
    with pytest.raises(RegistryError, match=r"versions/v1/more.txt: v1 has no such file, only card.md"):
        registry.read("v1", "more.txt")


def test_what_training_wrote_is_the_default(local: Registry, model: Path, tmp_path: Path) -> None:
    from steelflow.engine import open_engine

    folder = shutil.copytree(model, tmp_path / "trained")
    spec = open_engine(folder / "ssdc_mininet.onnx", "onnxruntime").spec
    held_out = {"images": 7, "accuracy": 0.9, "macro_f1": 0.8, "ece": 0.1, "confusion": [[7]]}
    record = {"model": spec.model_dump(mode="json"), "data_hash": "of training", "held_out": held_out}
    (folder / "metrics.json").write_text(json.dumps(record))
    made = local.register(folder, who=WHO, reason="a test")
    assert made.data_hash == "of training"
    assert made.metrics == {"images": 7, "accuracy": 0.9, "macro_f1": 0.8, "ece": 0.1}
    assert json.loads(local.read(made, "metrics.json")) == record
    (folder / "metrics.json").write_text(json.dumps(record | {"model": record["model"] | {"name": "another"}}))
    assert local.register(folder, who=WHO, reason="a test").data_hash is None
    (folder / "metrics.json").write_text("[]")
    with pytest.raises(RegistryError, match=r"metrics.json: is not the record of a training"):
        local.register(folder, who=WHO, reason="a test")


def test_a_run_again_registers_nothing(registry: Registry, model: Path) -> None:
    first = registry.register(model, who=WHO, reason="once", data_hash="a", metrics={"golden_accuracy": 0.9})
    before = objects(registry.store)
    assert registry.register(model, who="bob", reason="twice", data_hash="a", metrics={}) == first
    assert objects(registry.store) == before
    assert registry.register(model, who="bob", reason="other data", data_hash="b").version == "v2"


def test_figures_are_what_json_gives_back(local: Registry, model: Path) -> None:
    made = local.register(
        model, who=WHO, reason="a test", metrics={"a": (1, 2), "b": np.float64(0.1), "c": {10: 1, 9: 2}}
    )
    assert made.metrics == {"a": [1, 2], "b": 0.1, "c": {"10": 1, "9": 2}}
    assert local.versions() == [made]
    entry = local.promote("v1", who=WHO, reason="a test", figures={"per class": {10: (0.5,), 9: float("inf")}})
    assert local.log()[-1] == entry
    before = objects(local.store)
    with pytest.raises(RegistryError, match=r"cannot be written as JSON.*ndarray"):
        local.register(model, who=WHO, reason="a test", data_hash="b", metrics={"a": np.zeros(2)})
    assert objects(local.store) == before


def test_what_is_no_model_is_refused(local: Registry, model: Path, tmp_path: Path) -> None:
    def refused(source: Path, kind: type[Exception], says: str) -> None:
        with pytest.raises(kind, match=says) as caught:
            local.register(source, who=WHO, reason="a test")
        assert "\n" not in str(caught.value)

    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", RegistryError, r"empty: should hold one model, has none")
    refused(tmp_path / "absent", ModelError, "absent.*no such model")
    two = shutil.copytree(model, tmp_path / "two")
    shutil.copy(two / "ssdc_mininet.onnx", two / "another.onnx")
    refused(two, RegistryError, r"has another.onnx, ssdc_mininet.onnx; name the .onnx file")
    broken = shutil.copytree(model, tmp_path / "broken")
    content = (broken / "ssdc_mininet.onnx").read_bytes()
    (broken / "ssdc_mininet.onnx").write_bytes(content[: len(content) // 2])
    refused(broken, ModelError, r"broken/ssdc_mininet.onnx: not an ONNX model")
    mixed = shutil.copytree(model, tmp_path / "mixed")
    shutil.copy(resolve("steelnet").with_suffix(".safetensors"), mixed / "ssdc_mininet.safetensors")
    refused(mixed, ModelError, r"mixed/.*safetensors: is of another model.*name, arch.*differ")
    (mixed / "ssdc_mininet.safetensors").write_bytes(b"\xff" * 64)
    refused(mixed, ModelError, r"cannot be read as safetensors")
    assert objects(local.store) == {}


def test_a_change_needs_a_name_and_a_reason(local: Registry, model: Path) -> None:
    fill(local, model, 1)
    before = objects(local.store)
    for action in (
        lambda: local.register(model, who=WHO, reason=""),
        lambda: local.promote("v1", who=" ", reason="good"),
        lambda: local.challenge("v1", WHO, "  "),
        lambda: local.rollback(who="", reason=""),
    ):
        with pytest.raises(RegistryError, match="give --who and --reason"):
            action()
    assert objects(local.store) == before


def test_unknown_versions_are_refused(registry: Registry, model: Path, tmp_path: Path) -> None:
    for action in (
        lambda: registry.promote("v7", who=WHO, reason="a test"),
        lambda: registry.challenge("v7", WHO, "a test"),
        lambda: registry.version("v7"),
        lambda: registry.fetch("v7", tmp_path / "cache"),
        lambda: registry.delete("../v7"),
    ):
        with pytest.raises(RegistryError, match=r"v7': no such version in the registry; there are: none"):
            action()
    assert objects(registry.store) == {}


def test_a_deleted_version_is_gone_and_its_number_too(registry: Registry, model: Path) -> None:
    fill(registry, model, 5)
    promote(registry, "v1", "v2", "v3")
    registry.challenge("v4", WHO, "a test")
    for name, why in (("v3", "the champion"), ("v4", "the challenger"), ("v2", "the target of a rollback")):
        with pytest.raises(RegistryError, match=f"{name} is {why}"):
            registry.delete(name)
    registry.delete("v5", who=WHO, reason="too many")
    registry.delete("v1")
    assert [one.version for one in registry.versions()] == ["v2", "v3", "v4"]
    assert not [key for key in objects(registry.store) if key.startswith(("versions/v1/", "versions/v5/"))]
    assert [(e.action, e.version, e.who) for e in registry.log()[-2:]] == [
        ("delete", "v5", WHO),
        ("delete", "v1", "housekeeping"),
    ]
    assert registry.register(model, who=WHO, reason="again", data_hash="data 4").version == "v6"
    registry.rollback(who=WHO, reason="a test")
    with pytest.raises(RegistryError, match="v2, cannot be rolled back: the champions before it are: none"):
        registry.rollback(who=WHO, reason="a test")


# ---- champion and challenger


def test_promote_and_roll_back(registry: Registry, model: Path) -> None:
    fill(registry, model, 3)
    promote(registry, "v1", "v2", "v3")
    assert champion(registry) == "v3"
    last = registry.rollback(who="bob", reason="v3 sees scratches everywhere")
    assert (last.action, last.alias, last.version, last.previous) == ("rollback", "champion", "v2", "v3")
    assert (last.who, last.reason) == ("bob", "v3 sees scratches everywhere")
    registry.rollback(who=WHO, reason="v2 too")
    assert champion(registry) == "v1"
    before = objects(registry.store)
    with pytest.raises(RegistryError, match="v1, cannot be rolled back: the champions before it are: none"):
        registry.rollback(who=WHO, reason="v1 too")
    with pytest.raises(RegistryError, match=r"v1, cannot be rolled back to v3: .*promote a version instead"):
        registry.rollback(who=WHO, reason="forward", to="v3")
    assert objects(registry.store) == before
    promote(registry, "v3", "v2")
    registry.rollback(who=WHO, reason="as far as can be", to="v1")
    assert champion(registry) == "v1"
    assert [entry.number for entry in registry.log()] == list(range(1, 12))


def test_the_champion_is_promoted_once(registry: Registry, model: Path) -> None:
    fill(registry, model, 2)
    first = registry.promote("v1", who=WHO, reason="good", figures={"accuracy": 0.99}, expect=None)
    assert first.figures == {"accuracy": 0.99}
    before = objects(registry.store)
    assert registry.promote("v1", who="bob", reason="good", expect=None) == first
    for expect in (None, "v2"):
        with pytest.raises(RegistryError, match=r"v2 was compared with (no champion|v2), but .* is now v1"):
            registry.promote("v2", who=WHO, reason="better", expect=expect)
    assert objects(registry.store) == before
    assert registry.promote("v2", who=WHO, reason="better", expect="v1").previous == "v1"


def test_a_challenger_stays_until_it_is_promoted_or_replaced(registry: Registry, model: Path) -> None:
    fill(registry, model, 3)
    promote(registry, "v1")
    entry = registry.challenge("v2", WHO, "trained on new labels", {"accuracy": 0.98})
    assert (entry.alias, entry.previous, entry.figures) == ("challenger", None, {"accuracy": 0.98})
    assert registry.challenge("v2", "bob", "again") == entry
    challenger = registry.challenger()
    assert challenger == registry.version("v2")
    assert champion(registry) == "v1"
    assert registry.challenge("v3", WHO, "newer").previous == "v2"
    with pytest.raises(RegistryError, match="v1 is the champion; name another"):
        registry.challenge("v1", WHO, "a test")
    promote(registry, "v2")
    assert registry.challenger() == registry.version("v3")
    promote(registry, "v3")
    assert registry.challenger() is None


ACTIONS = st.tuples(st.sampled_from(["promote", "rollback", "challenge"]), st.sampled_from(["v1", "v2", "v3"]))


@settings(max_examples=10, deadline=None)
@given(actions=st.lists(ACTIONS, max_size=8))
def test_any_history_is_told_by_the_log(
    model: Path, tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, str]]
) -> None:
    registry = Registry(LocalStore(tmp_path_factory.mktemp("history"), create=True))
    fill(registry, model, 3)
    reign: list[str] = []
    for action, name in actions:
        if action == "promote":
            registry.promote(name, who=WHO, reason="a test")
            if reign[-1:] != [name]:
                reign.append(name)
        elif action == "rollback" and name in reign and reign[-1] != name:
            registry.rollback(who=WHO, reason="a test", to=name)
            while reign[-1] != name:
                reign.pop()
        elif action == "rollback":
            with pytest.raises(RegistryError, match="cannot be rolled back"):
                registry.rollback(who=WHO, reason="a test", to=name)
        elif reign[-1:] != [name]:
            registry.challenge(name, WHO, "a test")
        assert champion(registry) == (reign[-1] if reign else None)
    log = registry.log()
    assert [entry.number for entry in log] == list(range(1, len(log) + 1))
    assert [entry.before for entry in log] == ["", *(entry.digest for entry in log[:-1])]


class Counting(LocalStore):
    """Counts the objects that are fetched."""

    fetched = 0

    def _whole(self, key: str) -> bytes | StoreError:
        self.fetched += 1
        return super()._whole(key)

    def get(self, key: str, start: int = 0, length: int | None = None, etag: str | None = None) -> bytes:
        self.fetched += 1
        return super().get(key, start, length, etag)


def test_the_champion_of_a_long_log_is_read_from_its_end(model: Path, tmp_path: Path) -> None:
    registry = Registry(store := Counting(tmp_path, create=True))
    fill(registry, model, 2)
    promote(registry, "v1")
    log = registry.log()
    for _ in range(1000):
        log.append(chain.append(store, log, log[-1]))
    store.fetched = 0
    assert champion(registry) == "v1"
    assert store.fetched <= 40
    assert len(registry.log()) == 1003


# ---- crashes and other writers


class Crashing(LocalStore):
    """Fails, or dies, before it writes an object whose key contains ``before``."""

    before = "nothing"
    act: Callable[[], None] = staticmethod(lambda: None)

    def put_new(self, key: str, data: bytes) -> ObjectInfo:
        if self.before in key:
            self.before = "nothing"
            self.act()
        return super().put_new(key, data)


def fail() -> None:
    raise StoreError("the disk is full")


@pytest.mark.parametrize("before", ["card.md", "manifest.json", "log/"])
def test_a_version_that_was_not_finished_is_not_there(model: Path, tmp_path: Path, before: str) -> None:
    registry = Registry(store := Crashing(tmp_path, create=True))
    fill(registry, model, 1)
    store.act, store.before = fail, before
    with pytest.raises(StoreError, match="disk is full"):
        registry.register(model, who=WHO, reason="a test", data_hash="other")
    assert [key for key in objects(store) if "versions/v2/" in key]
    assert [one.version for one in registry.versions()] == ["v1"]
    assert registry.champion() is None
    for action in (registry.version, lambda name: registry.promote(name, who=WHO, reason="a test")):
        with pytest.raises(RegistryError, match="'v2': no such version"):
            action("v2")
    made = registry.register(model, who=WHO, reason="a test", data_hash="other")
    assert [one.version for one in registry.versions()] == ["v1", made.version]
    assert {key.split("/")[1] for key in objects(store) if key.startswith("versions/")} == {"v1", made.version}


DIES = """
import os, sys
from pathlib import Path
from steelflow.registry import Registry
from steelflow.store.local import LocalStore
class Dying(LocalStore):
    def put_new(self, key, data):
        if sys.argv[3] in key:
            os.kill(os.getpid(), 9)
        return super().put_new(key, data)
Registry(Dying(Path(sys.argv[1]), create=True)).register(Path(sys.argv[2]), who="ann", reason="a test", data_hash="d")
"""


@pytest.mark.slow
@pytest.mark.parametrize("before", ["card.md", "manifest.json", "log/"])
def test_kill_9_leaves_no_half_version(model: Path, tmp_path: Path, before: str) -> None:
    killed = subprocess.run([sys.executable, "-c", DIES, tmp_path / "r", model, before], check=False)
    assert killed.returncode == -signal.SIGKILL
    registry = Registry(LocalStore(tmp_path / "r"), wait=0.0)
    assert registry.versions() == []
    made = registry.register(model, who=WHO, reason="a test", data_hash="d")
    assert registry.versions() == [made]
    assert {key.split("/")[1] for key in objects(registry.store) if key.startswith("versions/")} == {made.version}


def test_who_lost_the_lock_overwrites_nothing(model: Path, tmp_path: Path) -> None:
    slow = Registry(store := Crashing(tmp_path, create=True))
    fill(slow, model, 2)
    after = {}

    def overtaken() -> None:
        """As if the holder had slept beyond the expiry of its claim."""
        for info in list(store.list("locks/")):
            store.delete(info.key)
        promote(Registry(LocalStore(tmp_path)), "v2")
        after.update(objects(store))

    store.act, store.before = overtaken, "log/"
    with pytest.raises(RegistryError, match=r"log/00000003.json: another process changed the registry.*run again"):
        slow.promote("v1", who=WHO, reason="late")
    assert objects(store) == after
    assert champion(slow) == "v2"


def test_who_waits_too_long_is_told_for_whom(registry: Registry, model: Path) -> None:
    fill(registry, model, 1)
    with locked(registry.store, "locks/log", "a test"):
        before = objects(registry.store)
        with pytest.raises(LockHeld, match=r"a change of the registry .* by process \d+ on .*; try again when it"):
            Registry(registry.store, wait=0.0).promote("v1", who=WHO, reason="a test")
        assert objects(registry.store) == before


PROMOTES = """
import sys
from pathlib import Path
from steelflow.config import StoreSettings
from steelflow.registry import Registry
from steelflow.store import open_store
uri, endpoint, access, secret, name = sys.argv[1:]
store = open_store(uri, StoreSettings(endpoint=endpoint, access_key=access, secret_key=secret))
sys.stdin.readline()
Registry(store).promote("v" + name, who="writer " + name, reason="a race", figures={"mine": int(name)})
"""


@pytest.mark.slow
def test_twenty_promote_at_once_and_none_is_lost(
    registry: Registry, model: Path, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("embedded")
    fill(registry, model, 20)
    access = (registry.store.uri, server.endpoint, server.access_key, server.secret_key.get_secret_value())
    writers = [
        subprocess.Popen([sys.executable, "-c", PROMOTES, *access, str(i + 1)], stdin=subprocess.PIPE)
        for i in range(20)
    ]
    for writer in writers:
        assert writer.stdin
        writer.stdin.write(b"\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=240)
        assert writer.returncode == 0
    log = registry.log()[20:]
    assert sorted(entry.version for entry in log) == sorted(f"v{i + 1}" for i in range(20))
    assert all(entry.figures == {"mine": int(entry.version[1:])} for entry in log)
    assert [entry.previous for entry in log] == [None, *(entry.version for entry in log[:-1])]
    assert champion(registry) == log[-1].version
    assert not [key for key in objects(registry.store) if key.startswith("locks/")]


# ---- what was edited


def edited(key: str, old: bytes, new: bytes) -> Callable[[Store], object]:
    def edit(store: Store) -> None:
        data = store.get(key)
        assert old in data
        store.put(key, data.replace(old, new))

    return edit


def swapped(store: Store) -> None:
    one, other = store.get("log/00000002.json"), store.get("log/00000003.json")
    store.put("log/00000002.json", other)
    store.put("log/00000003.json", one)


LOG_EDITS: dict[str, tuple[Callable[[Store], object], str]] = {
    "an entry in the middle": (edited("log/00000003.json", b'"v1"', b'"v2"'), "log/00000003.json"),
    "the last entry": (edited("log/00000004.json", b'"v2"', b'"v1"'), "log/00000004.json"),
    "a reason": (edited("log/00000004.json", b"good", b"bad"), "log/00000004.json"),
    "no JSON": (lambda store: store.put("log/00000004.json", b"{"), "log/00000004.json"),
    "a field more": (edited("log/00000004.json", b"{", b'{"more": 1,'), "log/00000004.json"),
    "two swapped": (swapped, r"log/0000000[23]\.json"),
    "one gone": (lambda store: store.delete("log/00000003.json"), r"log/00000003\.json.*is missing"),
    "the first gone": (lambda store: store.delete("log/00000001.json"), r"log/00000001\.json.*is missing"),
    "one for another": (lambda store: store.put("log/00000003.json", store.get("log/00000004.json")), "00000003"),
}


@pytest.mark.parametrize("edit", LOG_EDITS)
def test_a_log_that_was_edited_is_refused(store: Store, model: Path, edit: str) -> None:
    registry = Registry(store)
    fill(registry, model, 2)
    promote(registry, "v1", "v2")
    action, names = LOG_EDITS[edit]
    action(store)
    before = objects(store)
    uses: list[Callable[[], object]] = [
        registry.log,
        registry.versions,
        registry.challenger,
        lambda: registry.version("v2"),
        lambda: registry.register(model, who=WHO, reason="a test"),
        lambda: registry.rollback(who=WHO, reason="a test"),
        lambda: registry.delete("v1"),
    ]
    if "4" in names or "missing" in names:  # what the champion rests on
        uses.append(registry.champion)
    for use in uses:
        with pytest.raises(RegistryError, match=names):
            use()
    assert objects(store) == before


def test_an_entry_made_up_does_not_fit_the_next(local: Registry, model: Path) -> None:
    fill(local, model, 2)
    promote(local, "v1", "v2")
    third = local.log()[2]
    forged = json.dumps(replace(third, version="v2", digest="").sealed().to_dict())
    local.store.put("log/00000003.json", forged.encode())
    with pytest.raises(RegistryError, match=r"log/00000003\.json.*is not the entry that was written there"):
        local.log()


def test_a_log_whose_beginning_was_cut_off_is_refused(local: Registry, model: Path) -> None:
    """The rest of it, numbered anew: what is then the first entry still has the digest of one before it."""
    fill(local, model, 2)
    log = local.log()
    local.store.delete("log/00000002.json")
    second = json.dumps(replace(log[1], number=1, digest="").sealed().to_dict())
    local.store.put("log/00000001.json", second.encode())
    with pytest.raises(RegistryError, match=r"log/00000001\.json.*is not the first entry"):
        local.log()


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (edited("versions/v2/manifest.json", b'"data 1"', b'"data 9"'), r"is not what was registered \(SHA-256"),
        (lambda store: store.delete("versions/v2/manifest.json"), "is missing; restore it"),
    ],
)
def test_a_manifest_that_was_edited_is_refused(
    registry: Registry, model: Path, edit: Callable[[Store], object], says: str
) -> None:
    fill(registry, model, 3)
    promote(registry, "v1", "v2")
    edit(registry.store)
    before = objects(registry.store)
    for use in (
        registry.champion,
        registry.versions,
        lambda: registry.version("v2"),
        lambda: registry.register(model, who=WHO, reason="a test", data_hash="data 1"),
    ):
        with pytest.raises(RegistryError, match=rf"versions/v2/manifest.json: {says}"):
            use()
    assert objects(registry.store) == before
    registry.rollback(who=WHO, reason="the way out")
    assert champion(registry) == "v1"


def test_a_damaged_model_neither_inspects_nor_is_promoted(registry: Registry, model: Path, tmp_path: Path) -> None:
    fill(registry, model, 2)
    promote(registry, "v1")
    data = bytearray(registry.store.get("versions/v2/model.onnx"))
    data[len(data) // 2] ^= 1
    registry.store.put("versions/v2/model.onnx", bytes(data))
    before = objects(registry.store)
    for use in (
        lambda: registry.promote("v2", who=WHO, reason="a test"),
        lambda: registry.challenge("v2", WHO, "a test"),
        lambda: registry.fetch("v2", tmp_path / "cache"),
        lambda: registry.read("v2", "model.onnx"),
    ):
        with pytest.raises(RegistryError, match=r"versions/v2/model.onnx: is not what was registered"):
            use()
    assert objects(registry.store) == before
    assert not list((tmp_path / "cache").rglob("*.onnx"))
    registry.fetch("v1", tmp_path / "cache")


# ---- the cache


def test_what_is_fetched_is_what_was_registered(registry: Registry, tmp_path: Path) -> None:
    registry.register("steelnet", who=WHO, reason="a test")
    registry.register("ssdc_mininet", who=WHO, reason="a test")
    cache = tmp_path / "cache"
    shipped = [resolve(name) for name in ("steelnet", "ssdc_mininet")]
    for name, original in zip(("v1", "v2"), shipped, strict=True):
        path = registry.fetch(name, cache)
        assert path == cache / SHIPPED[original.stem] / "model.onnx"
        for suffix in (".onnx", ".safetensors", ".md"):
            assert path.with_suffix(suffix).read_bytes() == original.with_suffix(suffix).read_bytes()
        assert sorted(one.name for one in path.parent.iterdir()) == ["model.md", "model.onnx", "model.safetensors"]


def test_rollback_brings_the_same_bytes_back(registry: Registry, model: Path, tmp_path: Path) -> None:
    registry.register("steelnet", who=WHO, reason="a test")
    promote(registry, "v1")
    found = registry.champion()
    assert found is not None
    before = {file: registry.read(found, file) for file in found.files}
    fill(registry, model, 1)
    promote(registry, "v2")
    registry.rollback(who=WHO, reason="back")
    again = registry.champion()
    assert again == found
    assert {file: registry.read(again, file) for file in again.files} == before
    assert registry.fetch(again, tmp_path).read_bytes() == resolve("steelnet").read_bytes()


def test_a_cache_is_used_and_a_damaged_one_mended(local: Registry, model: Path, tmp_path: Path) -> None:
    fill(local, model, 1)
    version = local.version("v1")
    path = local.fetch(version, tmp_path / "cache")
    good = path.read_bytes()
    local.store.delete("versions/v1/model.onnx")
    inode = path.stat().st_ino
    assert local.fetch(version, tmp_path / "cache").stat().st_ino == inode
    local.store.put("versions/v1/model.onnx", good)
    for damage in (lambda: path.write_bytes(good[:-1]), path.unlink):
        damage()
        assert local.fetch("v1", tmp_path / "cache").read_bytes() == good
    path.with_suffix(".safetensors").write_bytes(b"of another time")  # this version has none
    local.fetch("v1", tmp_path / "cache")
    assert not path.with_suffix(".safetensors").exists()
    (tmp_path / "file").touch()
    with pytest.raises(RegistryError, match=r"cannot be written.*check `home`"):
        local.fetch("v1", tmp_path / "file")
