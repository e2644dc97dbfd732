"""The gate before a promotion: who passes, who does not, and what is said."""

from __future__ import annotations

import numpy as np
import pytest

from steelflow.config import RetrainSettings
from steelflow.retrain.gate import Answers, Mask, compare, decide, together

RULES = RetrainSettings()
TRUTH = [f"class {i % 4}" for i in range(400)]


def answers(wrong: set[int], probability: float = 0.99) -> Answers:
    right = np.array([i not in wrong for i in range(len(TRUTH))])
    labels = tuple(label if right[i] else "other" for i, label in enumerate(TRUTH))
    return Answers(labels, right, np.where(right, probability, 1 - probability))


def gate(champion: Answers, challenger: Answers, speed: float = 1.0) -> tuple[str, ...]:
    return decide(
        [compare("golden set", TRUTH, champion, challenger, RULES)], champion, challenger, speed, RULES
    ).problems


def test_more_images_right_is_promoted() -> None:
    assert gate(answers({1, 2, 3}), answers({1})) == ()


def test_equal_is_not_better() -> None:
    (problem,) = gate(answers({1}), answers({1}))
    assert "not better" in problem


def test_as_many_right_and_surer_of_it_is_better() -> None:
    assert gate(answers({1}, 0.7), answers({1}, 0.95)) == ()


def test_worse_overall_names_both_figures() -> None:
    problems = gate(answers(set()), answers(set(range(0, 400, 20))))
    assert "worse on the golden set: 95.00% of 400 images right, the champion has 100.00%" in problems[0]


def test_a_drop_that_is_significant_is_refused_though_it_is_small() -> None:
    rules = RetrainSettings(max_drop=0.2)
    champion, challenger = answers(set()), answers(set(range(0, 400, 20)))
    found = compare("golden set", TRUTH, champion, challenger, rules)
    assert found.high < 0
    assert any("worse on the golden set" in problem for problem in found.problems)


def test_one_class_worse_is_refused_though_the_whole_is_better() -> None:
    lost = {i for i in range(400) if i % 4 == 0 and i < 40}  # ten of the hundred of class 0
    gained = {i for i in range(400) if i % 4 == 1 and i < 160}
    (problem,) = gate(answers(gained), answers(lost))
    assert "worse on class class 0" in problem
    assert "90.0% of 100" in problem


def test_one_image_of_a_small_class_is_chance() -> None:
    truth = ["rare"] * 4 + ["common"] * 400
    right = np.ones(404, bool)
    worse = right.copy()
    worse[0] = False
    one, other = (Answers(tuple(truth), r, np.where(r, 0.9, 0.1)) for r in (right, worse))
    assert not compare("golden set", truth, one, other, RULES).problems


def test_too_slow_is_refused() -> None:
    (problem,) = gate(answers({1, 2}), answers(set()), speed=0.3)
    assert "too slow: 0.30 times" in problem


def test_too_few_images_prove_nothing() -> None:
    few = Answers(("a",) * 5, np.ones(5, bool), np.ones(5))
    none = Answers(("b",) * 5, np.zeros(5, bool), np.zeros(5))
    found = decide([compare("golden set", ["a"] * 5, none, few, RULES)], none, few, 1.0, RULES)
    assert "too few" in found.problems[0]


def test_one_image_of_a_small_set_is_chance() -> None:
    truth = ["a", "b"] * 40
    right = np.ones(80, bool)
    worse, worst = right.copy(), right.copy()
    worse[0], worst[:2] = False, False
    perfect, one, two = (Answers(tuple(truth), r, np.where(r, 0.9, 0.1)) for r in (right, worse, worst))
    assert not compare("golden set", truth, perfect, one, RULES).problems
    assert compare("golden set", truth, perfect, two, RULES).problems


def test_an_empty_set_has_no_say() -> None:
    nothing = Answers((), np.array([], bool), np.array([]))
    assert compare("recent labels", [], nothing, nothing, RULES).problems == ()
    assert together([answers({1}), nothing]).right.sum() == 399


def test_the_interval_is_that_of_the_paired_bootstrap() -> None:
    champion, challenger = answers(set(range(100))), answers(set(range(50, 120)))
    found = compare("golden set", TRUTH, champion, challenger, RULES)
    better = challenger.right.astype(int) - champion.right
    rng = np.random.default_rng(5)
    means = [better[rng.integers(400, size=400)].mean() for _ in range(4000)]
    np.testing.assert_allclose((found.low, found.high), np.quantile(means, (0.025, 0.975)), atol=0.01)


def of(right: list[bool], probability: float = 0.9) -> Answers:
    known = np.array(right, bool)
    return Answers(tuple("a" if one else "b" for one in right), known, np.where(known, probability, 1 - probability))


def first(count: int, of_all: int) -> list[bool]:
    """All right but the first ``count``."""
    return [i >= count for i in range(of_all)]


@pytest.mark.parametrize(("images", "decides"), [(9, False), (10, True)])
def test_ten_images_decide_and_nine_do_not(images: int, decides: bool) -> None:
    truth = ["a"] * images
    worse, better = of([False] * images), of([True] * images)
    refused = compare("golden set", truth, better, worse, RULES)
    assert bool(refused.problems) == decides
    comparison = compare("golden set", truth, worse, better, RULES)
    assert decide([comparison], worse, better, 1.0, RULES).passed == decides


def test_two_images_lost_are_the_fewest_that_count() -> None:
    rules = RetrainSettings(max_drop=0.0, class_floor=0.0)
    truth = ["a"] * 100
    for lost, refused in ((1, False), (2, True)):
        found = compare("golden set", truth, of([True] * 100), of(first(lost, 100)), rules)
        assert found.difference == pytest.approx(-lost / 100)
        assert found.classes["a"].lost == lost
        assert len(found.problems) == (2 if refused else 0), "overall, and in its class"


@pytest.mark.parametrize(("lost", "refused"), [(5, False), (6, True)])
def test_the_allowed_drop_may_be_reached_and_not_passed(lost: int, refused: bool) -> None:
    """The interval reaches beyond 0, for many images were gained and as many lost: the drop itself decides."""
    truth = ["a"] * 1024
    rules = RetrainSettings(max_drop=5 / 1024)  # exact in binary, as is the accuracy of 1,024 images
    champion = of(first(100, 1024))
    challenger = of([not 100 <= i < 200 + lost for i in range(1024)])
    found = compare("golden set", truth, champion, challenger, rules)
    assert found.difference == -lost / 1024
    assert found.low < 0 < found.high
    assert bool(found.problems) == refused


@pytest.mark.parametrize(("lost", "refused"), [(5, False), (6, True)])
def test_the_allowed_loss_of_a_class_may_be_reached_and_not_passed(lost: int, refused: bool) -> None:
    truth = ["rare"] * 128 + ["common"] * 872
    rules = RetrainSettings(class_floor=5 / 128)  # exact in binary, as is the recall of 128 images
    champion = of([True] * 128 + first(20, 872))
    challenger = of(first(lost, 128) + [True] * 872)
    found = compare("golden set", truth, champion, challenger, rules)
    assert found.challenger > found.champion
    assert [problem.partition(":")[0] for problem in found.problems] == (
        ["it is worse on class rare of the golden set"] if refused else []
    )


@pytest.mark.parametrize(("images", "lost"), [(200, 10), (300, 15), (1000, 5), (60, 3)])
def test_rounding_refuses_no_loss_that_is_allowed(images: int, lost: int) -> None:
    """Shares of so many images are not exact in binary: their difference may exceed the limit in its last digit."""
    truth = ["a"] * images
    gained, rest = 2 * lost, [True] * (images - 2 * lost)
    champion = of([False] * gained + rest)
    challenger = of([True] * gained + [i >= gained + lost for i in range(len(rest))])
    share = lost / images
    for allowed, refused in ((share, False), (share - 1e-6, True)):
        rules = RetrainSettings(max_drop=allowed, class_floor=allowed)
        found = compare("golden set", truth, champion, challenger, rules)
        assert found.difference == pytest.approx(-share)
        assert found.high > 0, "the drop itself decides"
        assert len(found.problems) == (2 if refused else 0), "overall, and in its class"


@pytest.mark.parametrize(("speed", "passed"), [(0.49, False), (0.5, True)])
def test_half_the_speed_is_enough(speed: float, passed: bool) -> None:
    assert (gate(answers({1, 2}), answers(set()), speed) == ()) == passed


def test_fewer_right_is_not_better_however_sure() -> None:
    (problem,) = gate(answers({1}, 0.6), answers({1, 2}, 0.999))
    assert "not better" in problem


def test_as_many_right_and_no_surer_is_not_better() -> None:
    """Surer of some and less sure of others, a little more in sum: chance, for all that 400 images tell."""
    champion = answers({1}, 0.9)
    swaying = np.where(np.arange(400) % 2 == 0, 0.96, 0.85)
    challenger = Answers(champion.labels, champion.right, np.where(champion.right, swaying, 0.1))
    assert np.log(challenger.probability).sum() > np.log(champion.probability).sum()
    (problem,) = gate(champion, challenger)
    assert "not better" in problem
    assert gate(champion, answers({1}, 0.91)) == (), "a little surer of each is no chance"


def test_a_problem_of_any_set_refuses() -> None:
    good, worse = answers({1, 2}), answers(set(range(0, 400, 20)))
    sets = [
        compare("golden set", TRUTH, good, answers(set()), RULES),
        compare("recent labels", TRUTH, answers(set()), worse, RULES),
    ]
    both = together([good, answers(set())]), together([answers(set()), worse])
    found = decide(sets, *both, 1.0, RULES)
    assert not found.passed
    assert found.model_dump()["passed"] is False
    assert all("recent labels" in problem for problem in found.problems)


def test_what_a_comparison_says() -> None:
    truth = ["a"] * 20 + ["b"] * 30
    champion, challenger = of(first(10, 50)), of([True] * 45 + [False] * 5)
    found = compare("golden set", truth, champion, challenger, RULES)
    assert (found.images, found.champion, found.challenger) == (50, 0.8, 0.9)
    a, b = found.classes["a"], found.classes["b"]
    assert (a.images, a.champion, a.challenger, a.lost) == (20, 0.5, 1.0, -10)
    assert (b.images, b.champion, b.challenger, b.lost) == (30, 1.0, pytest.approx(25 / 30), 5)
    assert str(found).startswith("golden set: 80.00% → 90.00% of 50 images (")


HALF = np.arange(len(TRUTH)) < 200
EVERY = np.full(len(TRUTH), True)


def remembering(champion: Answers, challenger: Answers, remembered: Mask, elsewhere: float | None) -> tuple[str, ...]:
    found = compare("golden set", TRUTH, champion, challenger, RULES, remembered=remembered, elsewhere=elsewhere)
    assert found.remembered == remembered.sum()
    assert f"{remembered.sum()} of them trained the champion" in str(found)
    unseen = [one.only(~remembered) for one in (champion, challenger)]
    return decide([found], unseen[0], unseen[1], 1.0, RULES).problems


def test_what_the_champion_remembers_does_not_refuse_a_challenger() -> None:
    """The champion is right on all images that trained it, and has 98 % elsewhere."""
    champion, challenger = answers({300, 350}), answers({1, 50, 100})
    (problem,) = gate(champion, challenger)
    assert "not better" in problem
    assert remembering(champion, challenger, HALF, 0.98) == ()


def test_images_that_trained_the_champion_prove_nothing() -> None:
    champion, challenger = answers({1, 2, 3}), answers(set())
    (problem,) = remembering(champion, challenger, EVERY, 0.98)
    assert problem == "0 images that did not train the champion are too few to judge it by; label more"
    (problem,) = remembering(champion, challenger, HALF, 0.98)
    assert "not better" in problem


def test_what_was_known_stays_known_also_of_images_that_trained_the_champion() -> None:
    champion = answers({200, 300, 350})  # 98.5 % of the images that did not train it
    problems = remembering(champion, answers({200, *range(0, 200, 10)}), HALF, None)
    assert problems[0] == (
        "it is worse on the golden set: 94.75% of 400 images right, the champion has 98.50% without what it remembers"
    )
    forgotten = answers({i for i in range(200) if i % 4 == 3} | {200})
    assert any("worse on class class 3" in one for one in remembering(champion, forgotten, HALF, None))
    measured = remembering(champion, answers(set(range(0, 100, 4))), EVERY, None)  # nothing is known of other images
    assert measured[0] == "it is worse on the golden set: 93.75% of 400 images right, the champion has 99.25%"


def test_a_set_is_judged_as_a_whole_though_parts_of_it_are_small() -> None:
    """A rare class must not be lost unseen, whichever of its two images trained the champion."""
    truth = [*TRUTH[:100], "rare", "rare"]
    right = np.full(102, True)
    champion = Answers(tuple(truth), right, np.full(102, 0.9))
    lost = right.copy()
    lost[100:] = False
    challenger = Answers(tuple(truth), lost, np.full(102, 0.9))
    remembered = np.arange(102) < 101
    for known in (remembered, np.arange(102) < 50, np.arange(102) < 95):
        found = compare("golden set", truth, champion, challenger, RULES, remembered=known, elsewhere=0.98)
        assert any("worse on class rare of the golden set: 0.0% of 2" in one for one in found.problems), known.sum()
    wrong = Answers(champion.labels, np.arange(102) < 93, np.full(102, 0.9))
    found = compare("golden set", truth, champion, wrong, RULES, remembered=np.arange(102) < 93, elsewhere=0.98)
    assert "it is worse on the golden set: 91.18% of 102" in found.problems[0]


def test_a_champion_that_is_worse_than_it_was_is_taken_as_it_is() -> None:
    champion, challenger = answers(set(range(0, 200, 10)) | {300}), answers(set(range(0, 200, 10)))
    assert remembering(champion, challenger, HALF, 0.99) == ()
