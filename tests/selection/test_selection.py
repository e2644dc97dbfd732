"""Protocols, the comparison and the choice: exact splits, results that are kept, a rule that can be read."""

from __future__ import annotations

import hashlib
import json
import shutil
import statistics
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import ROOT
from PIL import Image
from plants import local_settings
from scipy import stats
from toys import write
from typer.testing import CliRunner

from steelflow.cli import selection as commands
from steelflow.cli.main import app
from steelflow.config import SelectionSettings, load_settings, save_setting
from steelflow.errors import ConfigError, DataError, ModelError, SteelflowError
from steelflow.models import CATALOGUE
from steelflow.models.deployable import load_torch, save_torch
from steelflow.models.seen import marks
from steelflow.selection import candidates, compare, provenance, speed
from steelflow.selection import reproduce as reproduction
from steelflow.selection.interval import half_width
from steelflow.selection.pareto import Point, front
from steelflow.selection.picture import draw_pareto
from steelflow.selection.protocols import PROTOCOLS, Counts
from steelflow.selection.reproduce import reproduce
from steelflow.selection.rule import Measured, choose
from steelflow.selection.table import read_results, render
from steelflow.selection.unlabelled import divided
from steelflow.synth import CLASSES, surface
from steelflow.synth.files import jpeg
from steelflow.training.data import Dataset, load_folder
from steelflow.training.robustness import CONDITIONS


def dataset(*sizes: int) -> Dataset:
    """Classes of these sizes, with no pictures to speak of."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    digests = tuple(hashlib.sha256(b"%d" % i).digest() for i in range(len(labels)))
    return Dataset(
        tuple("abcdef"[: len(sizes)]),
        np.zeros((len(labels), 1, 1), np.uint8),
        labels,
        tuple(map(str, range(len(labels)))),
        digests,
    )


@pytest.fixture(scope="module")
def steel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten synthetic surfaces of each of the six classes."""
    root, rng = tmp_path_factory.mktemp("steel"), np.random.default_rng(0)
    for name in CLASSES:
        (root / name).mkdir()
        for i in range(10):
            (root / name / f"{i}.jpg").write_bytes(jpeg(surface(name, rng), 90))
    return root


# the papers' splits


@pytest.mark.parametrize(
    ("name", "of_300", "of_240"),
    [
        ("ssdc", (250, 25, 25), (200, 20, 20)),
        ("lee", (240, 0, 60), (192, 0, 48)),
        ("casi-70-30", (210, 0, 90), (168, 0, 72)),
        ("casi-80-20", (240, 0, 60), (192, 0, 48)),
        ("mobilesteelnet", (15, 15, 270), (12, 12, 216)),
        ("kamel", (210, 45, 45), (168, 36, 36)),
    ],
)
def test_a_protocol_splits_exactly(name: str, of_300: tuple[int, ...], of_240: tuple[int, ...]) -> None:
    for size, expected in ((300, of_300), (240, of_240)):
        data = dataset(size, size)
        parts = PROTOCOLS[name].divide(data, seed=0)
        for label in range(2):
            found = [int((data.labels[part] == label).sum()) for part in (parts.training, parts.validation, parts.test)]
            assert tuple(found) == expected
        assert sorted([*parts.training, *parts.validation, *parts.test]) == list(range(2 * size))
        assert set(parts.counts.values()) == {Counts(*expected)}


def test_a_split_depends_on_the_seed_and_on_nothing_else() -> None:
    data, protocol = dataset(60, 60, 60), PROTOCOLS["ssdc"]
    once, again, other = (protocol.divide(data, seed) for seed in (0, 0, 1))
    assert np.array_equal(once.test, again.test)
    assert not np.array_equal(once.test, other.test)


def test_so_many_labelled_images_a_class() -> None:
    data = dataset(240, 100)
    parts = PROTOCOLS["mobilesteelnet"].divide(data, 0, per_class=15)
    assert [str(count) for count in parts.counts.values()] == ["15/15/210", "15/15/70"]
    assert np.bincount(data.labels[parts.training]).tolist() == [15, 15]
    assert np.bincount(data.labels[parts.test]).tolist() == [210, 70]
    without_validation = PROTOCOLS["lee"].divide(data, 0, per_class=15)
    assert [str(count) for count in without_validation.counts.values()] == ["15/0/225", "15/0/85"]


def test_a_class_that_is_too_small_is_named() -> None:
    with pytest.raises(DataError, match=r"class b: 5 images .* 15/15/270 .*add images"):
        PROTOCOLS["mobilesteelnet"].divide(dataset(300, 5), 0)
    with pytest.raises(DataError, match=r"class a: 30 images .* choose fewer"):
        PROTOCOLS["mobilesteelnet"].divide(dataset(30, 30), 0, per_class=15)


def test_every_protocol_names_what_the_catalogue_has() -> None:
    for name, protocol in PROTOCOLS.items():
        assert protocol.figures.keys() <= CATALOGUE.keys(), name
        assert all(0.8 < figure < 1 for figure in protocol.figures.values()), name
        assert protocol.counts.total == 300
        assert protocol.caveats
        assert protocol.open_points
    assert CliRunner().invoke(app, ["reproduce", "--help"]).stdout.count("casi-") == 2


# the interval


@pytest.mark.parametrize("count", [2, 3, 5, 6, 31, 200])
def test_the_interval_is_students(count: int) -> None:
    values = np.random.default_rng(count).normal(0.99, 0.01, count)
    low, high = stats.t.interval(0.95, count - 1, values.mean(), stats.sem(values))
    assert half_width(values.tolist()) == pytest.approx((high - low) / 2, rel=1e-6)


def test_one_value_has_no_interval_and_equal_ones_an_empty_one() -> None:
    assert half_width([0.99]) is None
    assert half_width([1.0, 1.0, 1.0]) == 0


# reproduce


def test_reproduce_runs_every_seed_and_none_twice(steel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(seeds: Sequence[int], **more: Any) -> dict[str, Any]:
        return reproduce("ssdc", steel, tmp_path, seeds=seeds, epochs=1, recipe="ours", command="typed", **more)

    first = run([1])
    found = run([0, 1])
    assert [run["seed"] for run in found["runs"]] == [0, 1]
    assert found["runs"][1] == first["runs"][0]
    assert [(run["trained_on"], run["images"]) for run in found["runs"]] == [(48, 6), (48, 6)]
    assert found["split"] == "training/validation/test per class: 250/25/25 in the paper, 8/1/1 here"
    assert found["mean"] == statistics.fmean(run["accuracy"] for run in found["runs"])
    assert found["paper"] == {
        "title": PROTOCOLS["ssdc"].paper,
        "arch": "ssdc_mininet",
        "measure": "accuracy",
        "figure": 0.9867,
    }
    assert found["caveats"] == list(PROTOCOLS["ssdc"].caveats)
    assert (found["command"], found["input_size"], found["recipe"]["optimizer"]) == ("typed", 100, "adamw")
    file = tmp_path / "ssdc-ssdc_mininet-ours.json"
    assert {**json.loads(file.read_text()), "file": str(file)} == found
    assert [path.name for path in tmp_path.iterdir()] == [file.name]

    monkeypatch.setattr(reproduction, "train_in_memory", lambda *_, **__: pytest.fail("trained again"))
    assert run([0, 1])["runs"] == found["runs"]
    with pytest.raises(DataError, match="has results with other recipe; name another folder"):
        reproduce("ssdc", steel, tmp_path, seeds=[0], epochs=2, recipe="ours")
    file.write_text("{}")
    with pytest.raises(DataError, match="cannot be read as results"):
        run([0])


def test_the_papers_recipe_and_another_architecture(steel: Path, tmp_path: Path) -> None:
    found = reproduce("lee", steel, tmp_path, arch="steelnet_s", seeds=[0], epochs=1)
    assert (found["input_size"], found["recipe"]["optimizer"], found["recipe"]["learning_rate"]) == (200, "adam", 1e-4)
    assert found["recipe"]["augmentation"]["shift"] == 0
    assert found["paper"]["arch"] == "cost_effective_cnn"
    assert found["caveats"] == [*PROTOCOLS["lee"].caveats, *PROTOCOLS["lee"].open_points]
    assert found["mean"] == found["runs"][0]["macro_f1"]
    assert found["interval_95"] is None


def test_a_part_of_the_test_images_is_shown_without_labels(steel: Path, tmp_path: Path) -> None:
    def run(share: float) -> dict[str, Any]:
        named: dict[str, Any] = {"arch": "steelnet_s", "seeds": [0], "epochs": 1, "recipe": "ours", "per_class": 2}
        return reproduce("mobilesteelnet", steel, tmp_path, unlabelled=share, **named)

    found = run(0.5)
    (one,) = found["runs"]
    assert set(found["counts"].values()) == {"2/2/3"}
    assert (one["trained_on"], one["unlabelled"], one["images"]) == (12, 18, 18)
    assert len(one["teachers"]) == found["teachers"] == 3
    assert Path(found["file"]).name == "mobilesteelnet-steelnet_s-ours-2-a-class-0.5-unlabelled.json"
    assert run(0.5) == found
    assert "unlabelled" not in run(0)["runs"][0]
    with pytest.raises(ConfigError, match="share of the test images without labels is 1"):
        run(1)


def test_the_shown_images_are_test_images_that_are_not_judged(steel: Path) -> None:
    data = load_folder(steel, 32)
    before = PROTOCOLS["mobilesteelnet"].divide(data, 1, per_class=2)
    parts, shown = divided(data, before, 0.4, 1)
    assert sorted([*parts.test, *shown]) == sorted(before.test)
    assert np.bincount(data.labels[shown]).tolist() == [2] * 6
    assert [count.test for count in parts.counts.values()] == np.bincount(data.labels[parts.test]).tolist()


def test_a_validation_part_stops_early_where_the_paper_does(steel: Path, tmp_path: Path) -> None:
    found = reproduce("kamel", steel, tmp_path, arch="steelnet_s", seeds=[0], epochs=2, per_class=3)
    assert found["recipe"]["patience"] == 5
    assert found["runs"][0]["trained_on"] == 18
    assert set(found["counts"].values()) == {"3/3/4"}
    assert Path(found["file"]).name == "kamel-steelnet_s-paper-3-a-class.json"


def test_the_reproduce_command(steel: Path, tmp_path: Path) -> None:
    arguments = ["reproduce", "ssdc", "--data", steel, "--seeds", "0", "--epochs", 1, "--recipe", "ours"]
    found = command(*arguments, "--out", tmp_path, "--json")
    assert found["arch"] == "ssdc_mininet"
    text = CliRunner().invoke(app, [str(a) for a in (*arguments, "--out", tmp_path)]).stdout
    assert "the paper: 98.67% with ssdc_mininet" in text
    assert "250/25/25 in the paper, 8/1/1 here" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["alexnet"], "no protocol 'alexnet'; there are: ssdc, lee"),
        (["ssdc", "--arch", "alexnet"], "no architecture 'alexnet'"),
        (["ssdc", "--seeds", "0,x"], "--seeds '0,x': give different whole numbers"),
        (["ssdc", "--seeds", "0,0"], "different"),
        (["mobilesteelnet", "--arch", "steelnet_s"], "10 images are too few for the protocol 15/15/270"),
        (["kamel", "--arch", "steelnet_s", "--pretrained", "imagenet"], "no ImageNet weights"),
    ],
)
def test_what_cannot_be_reproduced_is_said_in_a_line(
    steel: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    data = steel
    if arguments[0] == "mobilesteelnet":
        arguments = [*arguments, "--per-class", "5"]
    answer = CliRunner().invoke(app, ["reproduce", *arguments, "--data", str(data), "--out", str(tmp_path / "out")])
    assert isinstance(answer.exception, SteelflowError)
    assert words in str(answer.exception)
    assert "\n" not in str(answer.exception)
    assert not list(tmp_path.glob("out/*.json"))


# where results come from


def test_the_commit_is_that_of_steelflows_own_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commit = provenance.code_commit()
    assert commit is None or len(commit.removesuffix("+changes")) == 40
    monkeypatch.setattr(provenance, "_PACKAGE", tmp_path)
    assert provenance.code_commit() is None
    assert "commit" not in provenance.provenance("steelflow")


def test_the_recorded_command_tells_no_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/steelflow", "x", "--data", "/home/me/neu", "--out=/tmp/a b", "b/c"])
    assert commands.command() == "steelflow x --data '…/neu' '--out=…/a b' b/c"


# the rule

MADE_UP = (
    Measured("exact", 0.9999, 2.0),
    Measured("good", 0.9970, 6.0),
    Measured("alike", 0.9965, 8.0),
    Measured("fast", 0.9930, 20.0),
    Measured("faster", 0.9920, 20.5),
)


@pytest.mark.parametrize(
    ("rule", "pick", "words"),
    [
        ({"rule": "accuracy", "min_speedup": 5}, "alike", "ties with good and is faster"),
        ({"rule": "accuracy", "min_speedup": 5, "accuracy_tie": 0}, "good", "most accurate of 4"),
        ({"rule": "accuracy", "min_speedup": 0}, "exact", "most accurate of 5"),
        ({"rule": "speed", "min_accuracy": 0.995}, "alike", "fastest of 3"),
        ({"rule": "speed", "min_accuracy": 0.99}, "fast", "ties with faster and is more accurate"),
        ({"rule": "speed", "min_accuracy": 0.99, "speed_tie": 0}, "faster", "fastest of 5"),
        ({"rule": "accuracy", "min_speedup": 30}, None, "faster comes nearest (99.20%, 20.5 times)"),
        ({"rule": "speed", "min_accuracy": 1}, None, "exact comes nearest"),
    ],
)
def test_the_rule(rule: dict[str, Any], pick: str | None, words: str) -> None:
    choice = choose(MADE_UP, SelectionSettings(**rule))
    assert choice.name == pick
    assert words in choice.reason


def test_the_pick_is_saved_where_the_settings_are_read(tmp_path: Path) -> None:
    file = tmp_path / "steelflow.toml"
    for text in (
        "",
        '[store]\nregion = "x"',
        '[selection]\nrule = "speed"',
        '[selection]  # how to choose\narch = "old"      # what is trained\n\n[store]\nregion = "x"  # here\n',
        '[selection]\n[store]\nregion = "x"\narch_of_nothing = 1\n',
    ):
        file.write_text(text)
        assert save_setting(file, "selection", "arch", "new") == file
        changed = tomllib.loads(file.read_text())
        assert changed.pop("selection") == {**tomllib.loads(text).get("selection", {}), "arch": "new"}
        before = tomllib.loads(text)
        before.pop("selection", None)
        assert changed == before
    file.write_text('[selection]\narch = "old"      # what is trained\n')
    save_setting(file, "selection", "arch", "new")
    assert file.read_text() == '[selection]\narch = "new"      # what is trained\n'
    assert load_settings(file).selection.arch == "new"
    for text in ('selection.arch = "old"\n', "not toml"):
        file.write_text(text)
        with pytest.raises(ConfigError, match=r'write arch = "new" below \[selection\]'):
            save_setting(file, "selection", "arch", "new")
        assert file.read_text() == text


# the picture


def test_the_front_is_what_no_other_beats() -> None:
    points = [Point("slow", 1, 0.99), Point("bad", 2, 0.98), Point("good", 3, 0.99), Point("fast", 9, 0.97)]
    assert [p.name for p in front(points)] == ["good", "fast"]
    assert front(points[:1]) == points[:1]


@pytest.mark.parametrize("points", [
    [Point("one", 1.5, 0.9), Point("two", 8000, 0.99), Point("three", 7900, 0.9899), Point("four", 50, 0.5)],
    [Point("alone", 5.0, 1.0)],
    [Point("twin", 5.0, 1.0), Point("other", 5.0, 1.0)],
], ids=["spread", "alone", "twins"])  # fmt: skip
def test_the_picture_shows_every_point_of_every_panel(tmp_path: Path, points: list[Point]) -> None:
    draw_pareto({"a": points, "b": points[:1]}, tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.size == (900, 840)
        halves = [picture.convert("RGB").crop((0, top, 900, top + 420)) for top in (0, 420)]
    on_front = (31, 95, 168)  # a point is filled with the colour of the front, some 30 pixels at least
    assert all(
        {colour: count for count, colour in half.getcolors(1 << 20) or []}.get(on_front, 0) > 30 for half in halves
    )


# compare

TRAINED = ".steelflow/trained/steelnet_s-32"
SEED_0 = f"{TRAINED}/seed-0/steelnet_s.onnx"


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, and the results of comparing a training with two seeds and a file that says nothing of its data."""
    root = tmp_path_factory.mktemp("compared")
    write(root / "data", 10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "_SECONDS", 0.02)
        patch.chdir(root)
        arguments = ["models", "compare", "--data", "data", "--results", "results", "--json"]
        command(*arguments, "--models", "", "--train", "steelnet_s@32", "--seeds", "0,1", "--epochs", 1, "--rounds", 0)
        (root / "alone.onnx").write_bytes((root / SEED_0).read_bytes())
        command(*arguments, "--models", f"{TRAINED},alone.onnx", "--rounds", 1)
    return root


def test_compare_trains_measures_and_keeps_everything(compared: Path) -> None:
    found = result(compared, "steelnet_s-32")
    assert (found["arch"], found["input_size"], len(found["runs"])) == ("steelnet_s", 32, 2)
    assert [(run["seed"], run["held_out"], run["images"]) for run in found["runs"]] == [(0, 0, 4), (1, 1, 4)]
    assert found["accuracy"] == statistics.fmean(run["accuracy"] for run in found["runs"])
    assert found["robustness"].keys() == CONDITIONS.keys()
    assert found["robustness_mean"] == pytest.approx(statistics.fmean(found["robustness"].values()))
    assert found["robustness_worst"]["accuracy"] == min(found["robustness"].values())
    assert found["parameters"] > 1000
    assert found["flops"] > found["parameters"]
    onnx = compared / SEED_0
    assert found["bytes"] == onnx.stat().st_size
    assert found["runs"][0]["digest"] == hashlib.sha256(onnx.read_bytes()).hexdigest()
    assert found["speed"]["end_to_end"] > 0
    assert found["speed"]["infer_ratio"] > 0
    assert found["speed"]["reference"]["model"] == speed.REFERENCE
    assert found["training"]["recipe"]["epochs"] == 1
    assert {"command", "versions", "machine"} <= found.keys()
    assert (compared / "results" / "pareto.png").is_file()


def test_what_is_known_is_not_measured_again(compared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(compared)
    monkeypatch.setattr(compare, "evaluate_folder", lambda *_, **__: pytest.fail("judged again"))
    monkeypatch.setattr(candidates, "train", lambda *_, **__: pytest.fail("trained again"))
    arguments = ["--data", "data", "--results", "results", "--models", "alone.onnx", "--rounds", 0]
    found = command("models", "compare", *arguments, "--train", "steelnet_s@32", "--seeds", "0,1", "--json")
    assert [model["model"] for model in found["models"]] == ["steelnet_s-32", "alone"]
    assert all("speed" in model for model in found["models"])


def test_compare_explains_its_pick_and_saves_it(compared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(compared)
    settings = compared / "steelflow.toml"
    settings.write_text('[selection]\narch = "casi_net"\nrule = "speed"\nmin_accuracy = 0\nspeed_tie = 0\n')
    arguments = ["models", "compare", "--data", "data", "--results", "results", "--rounds", "0", "--save"]
    answer = CliRunner().invoke(app, [*arguments, "--models", f"{TRAINED},alone.onnx"])
    assert answer.exit_code == 0, answer.output
    rates = {name: result(compared, name)["speed"]["end_to_end_ratio"] for name in ("steelnet_s-32", "alone")}
    pick = max(rates, key=lambda name: rates[name])
    assert f"{pick} (" in answer.stdout
    assert "is the fastest of 2" in answer.stdout
    assert "alone has no record of its training images; evaluated on the images held out by seed 0" in answer.stdout
    assert load_settings().selection.arch == "steelnet_s"
    settings.write_text("[selection]\nmin_speedup = 1e9\n")
    refused = CliRunner().invoke(app, [*arguments, "--models", "alone.onnx"])
    assert isinstance(refused.exception, ConfigError)
    assert "nothing to save: none of 1" in str(refused.exception)


def test_a_model_without_a_record_is_judged_on_what_the_named_seed_holds_out(compared: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.onnx"
    alone.write_bytes((compared / SEED_0).read_bytes())
    settings = local_settings(tmp_path, tmp_path)
    for held_out, images in ((7, 4), (None, 20)):
        [found] = compare.compare(
            [candidates.find(str(alone))], compared / "data", settings, tmp_path, held_out=held_out, rounds=0
        )
        assert (found["runs"][0]["held_out"], found["runs"][0]["images"]) == (held_out, images)


def test_a_model_that_knows_the_images_is_named_and_never_picked(
    compared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = shutil.copytree((compared / SEED_0).parent, tmp_path / "known" / "seed-0")
    weights = known / Path(SEED_0).with_suffix(".safetensors").name
    save_torch(*load_torch(weights), weights, marks(load_folder(compared / "data", 32).digests))
    monkeypatch.chdir(compared)
    monkeypatch.setattr(speed, "_SECONDS", 0.02)
    arguments = ["--data", "data", "--results", str(tmp_path), "--rounds", "1"]
    answer = CliRunner().invoke(app, ["models", "compare", *arguments, "--models", f"{known.parent},alone.onnx"])
    assert answer.exit_code == 0, answer.output
    assert "known was trained on images that it was evaluated on; it is not picked" in answer.stdout
    assert json.loads((tmp_path / "known.json").read_text())["runs"][0]["seen_in_training"] == 4
    assert json.loads((tmp_path / "alone.json").read_text())["runs"][0]["seen_in_training"] == 0
    assert " of 1 with" in answer.stdout or "none of 1 has" in answer.stdout


def test_what_cannot_be_compared_is_said_in_a_line(compared: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="contains no model"):
        candidates.find(str(tmp_path))
    with pytest.raises(ModelError, match="no such model"):
        candidates.find("resnet5000")
    with pytest.raises(ConfigError, match="write an architecture and a size"):
        candidates.train_seeds("steelnet@big", compared / "data", [0], tmp_path)
    with pytest.raises(ModelError, match="no architecture 'alexnet'"):
        candidates.train_seeds("alexnet", compared / "data", [0], tmp_path)
    same = candidates.find("ssdc_mininet")
    with pytest.raises(ConfigError, match="same name"):
        compare.compare([same, same], compared / "data", local_settings(tmp_path, tmp_path), tmp_path)


# the table


def test_the_table_has_a_row_for_each_result(compared: Path, steel: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    (results / "one.json").write_text(json.dumps(result(compared, "steelnet_s-32")))
    (results / "two.json").write_text(json.dumps(result(compared, "alone") | {"arch": "ssdc_mininet"}))
    (results / "other.json").write_text("[]")
    reproduce("ssdc", steel, results / "protocols", arch="steelnet_s", seeds=[0], epochs=1)
    text = render(read_results(results))
    for row in ("| `steelnet_s-32` | 32² |", "| `alone` | 32² |", "| 98.67 (ssdc) |", "| CASI-Net's paper |"):
        assert row in text
    assert "| ssdc | `steelnet_s` | paper | 8/1/1 | accuracy |" in text
    assert all(line.count("|") == head.count("|") for head, *rows in _tables(text) for line in rows)
    answer = CliRunner().invoke(app, ["models", "table", "--from", str(results), "--out", str(tmp_path / "m.md")])
    assert answer.exit_code == 0, answer.output
    assert (tmp_path / "m.md").read_text() == text
    assert (tmp_path / "m.png").is_file()


def test_docs_models_is_what_the_command_makes() -> None:
    made = render(read_results(ROOT / "docs" / "results"))
    assert (ROOT / "docs" / "models.md").read_text() == made, "run `steelflow models table --out docs/models.md`"


def test_results_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_results(tmp_path / "nowhere")
    (tmp_path / "half.json").write_text("{")
    with pytest.raises(DataError, match=r"half\.json"):
        read_results(tmp_path)


def result(compared: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((compared / "results" / f"{name}.json").read_text())
    return found


def _tables(text: str) -> list[list[str]]:
    blocks = [block.splitlines() for block in text.split("\n\n")]
    return [block for block in blocks if block[0].startswith("|")]


def command(*arguments: object) -> dict[str, Any]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer
