"""The gate before a promotion: who passes, who does not, and what is said."""

from __future__ import annotations

import numpy as np

from steelflow.config import RetrainSettings
from steelflow.retrain.gate import Answers, compare, decide, together

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
