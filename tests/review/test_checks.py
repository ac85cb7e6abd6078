"""Each check of a reviewer: where it says no, where it passes, and where it cannot be applied."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest
from scipy import stats

import lester_duck as ld
from lester_duck.errors import Disagreement, InputError
from lester_duck.pipeline.model import Review
from lester_duck.review.checks import CHECKS

from . import people


def verdicts(run: ld.Run, check: str) -> list[str]:
    return [f.verdict for f in run.review(check).findings]


def only(run: ld.Run, check: str):
    (finding,) = run.review(check).findings
    return finding


def test_nothing_is_wrong_with_people_drawn_by_chance():
    with people.run(people.people(400), groups=("people.sex",), illegal=("people.sex", "name")) as run:
        found = run.review()
        assert {f.check for f in found.findings} == set(CHECKS)
        assert {f.verdict for f in found.findings if f.check not in FAIRNESS} == {"passed"}
        run.review("label_leakage").raise_if_failed()


FAIRNESS = ("demographic_parity", "equal_opportunity", "equalized_odds")


def by_hand(run: ld.Run, rows: list[dict]) -> dict[str, float]:
    """The three differences from the matrix, the predictions and the rows themselves."""
    sex = np.array([row["sex"] for row in rows if row["city"] != "nowhere" and row["year"] >= 2001])
    y, guess = run.labels("test"), run.predict("test")
    rate = {g: guess[sex == g].mean() for g in "fm"}
    true = {g: guess[(sex == g) & (y == 1)].mean() for g in "fm"}
    false = {g: guess[(sex == g) & (y == 0)].mean() for g in "fm"}
    spread = {name: abs(values["f"] - values["m"]) for name, values in (("r", rate), ("t", true), ("f", false))}
    return {
        "demographic_parity": spread["r"],
        "equal_opportunity": spread["t"],
        "equalized_odds": max(spread["t"], spread["f"]),
    }


@pytest.mark.parametrize("seed", range(3))
def test_fairness_by_a_column_that_no_view_keeps(seed):
    rows = people.people(500, seed)
    for row in rows:
        row["good"] = int(row["score"] > 0.5)
        if row["sex"] == "f":
            row["score"] *= 0.6
    with people.run(rows, groups=("people.sex",)) as run:
        wanted = by_hand(run, rows)
        for check in FAIRNESS:
            finding = only(run, check)
            assert finding.value == pytest.approx(wanted[check])
            assert finding.verdict == ("failed" if wanted[check] > 0.1 else "passed")
        assert wanted["equal_opportunity"] > 0.1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"label": None, "model": None}, "declares no label"),
        ({"model": None}, "no fitted model"),
        ({"review": Review(groups=("people.sex",), positive="7")}, "has the label 7"),
        ({"review": Review(groups=("people.sex",), part="train"), "split": people.Split()}, None),
        ({"split": people.Split()}, "no row of the part test"),
        ({"review": Review()}, "no column of a source is named"),
    ],
)
def test_fairness_without_its_inputs_is_not_passed(fields, reason):
    made = people.pipeline(**{"review": Review(groups=("people.sex",)), **fields})
    with people.run(people.people(60), made) as run:
        finding = only(run, "equal_opportunity")
        assert (finding.verdict == "not applicable") == (reason is not None)
        assert (reason or "") in finding.detail


def test_one_group_only_is_not_applicable():
    rows = [{**row, "sex": "f"} for row in people.people(60)]
    with people.run(rows, groups=("people.sex",)) as run:
        assert only(run, "demographic_parity").verdict == "not applicable"
        assert set(verdicts(run, "group_change")) == {"not applicable"}


def test_a_stale_model_is_not_judged():
    with people.run(people.people(60), groups=("people.sex",)) as run:
        run.db.execute("UPDATE _lester.model SET stale = true")
        assert "older than the data" in only(run, "equalized_odds").detail


def test_a_view_that_loses_one_group():
    rows = people.people(200)
    for n, row in enumerate(rows):
        row["city"] = "nowhere" if row["sex"] == "f" and n % 4 else "A"
    with people.run(rows, groups=("people.sex",), thresholds=(("group_change", 0.2),)) as run:
        found = {f.subject: f for f in run.review("group_change").findings}
        assert found["people.sex in adults"].verdict == "passed"
        lost = found["people.sex in prepared"]
        before = sum(r["sex"] == "f" for r in rows) / len(rows)
        left = [r for r in rows if r["city"] == "A"]
        after = sum(r["sex"] == "f" for r in left) / len(left)
        assert (lost.verdict, lost.threshold) == ("failed", -0.2)
        assert lost.value == pytest.approx(after / before - 1)


def test_a_group_that_vanishes_has_a_change_of_one():
    rows = [{**row, "city": "nowhere" if row["sex"] == "f" else "A"} for row in people.people(80)]
    with people.run(rows, groups=("people.sex",)) as run:
        assert {f.subject: f.value for f in run.review("group_change").findings}["people.sex in prepared"] == -1


def test_overlap_of_train_and_test_through_a_self_join():
    views = {
        "prepared": "SELECT a.city, a.score, b.year, a.good FROM people AS a JOIN people AS b ON a.city = b.city"
    }
    with people.run(people.people(60), people.pipeline(views)) as run:
        finding = only(run, "train_test_overlap")
        assert (finding.subject, finding.verdict) == ("people", "failed")
        used = run.sql("SELECT count(*) FROM lester.usage('people') WHERE train_rows > 0 AND test_rows > 0").fetchall()
        assert finding.value == used[0][0] > 0


def test_features_of_the_label():
    views = {**people.VIEWS, "prepared": "SELECT city, score, year, CAST(score > 0.5 AS INTEGER) AS good FROM adults"}
    with people.run(people.people(60), people.pipeline(views)) as run:
        finding = only(run, "label_leakage")
        assert (finding.subject, finding.verdict, finding.value) == ("people.score", "failed", 1)
    allowed = Review(allowed=("people.score",))
    with people.run(people.people(60), people.pipeline(views, review=allowed)) as run:
        assert verdicts(run, "label_leakage") == ["passed"]


def test_the_label_as_a_feature():
    with people.run(people.people(60), people.pipeline(features={"good": ("passthrough", ("good",))})) as run:
        assert {f.subject for f in run.review("label_leakage").failed} == {"good", "people.good"}


def test_an_encoder_fitted_on_test_rows():
    features = {"score": ("standard_scale", ("score",), "all"), "year": ("passthrough", ("year",), "all")}
    with people.run(people.people(60), people.pipeline(features=features)) as run:
        assert [(f.subject, f.verdict) for f in run.review("encoder_leakage").findings] == [("score", "failed")]
    with people.run(people.people(60), people.pipeline(features=features, split=people.Split())) as run:
        assert verdicts(run, "encoder_leakage") == ["not applicable"]


def test_constant_features():
    rows = [{**row, "city": "A", "score": 0.5 if row["year"] < 2001 else row["score"]} for row in people.people(60)]
    with people.run(rows, people.pipeline(features={**people.FEATURES, "year": ("passthrough", ("year",))})) as run:
        found = {f.subject: f.value for f in run.review("constant_features").failed}
        x = run.features("train").read_all()
        constant = {c for c in x.column_names if len(set(x.column(c).to_pylist())) == 1}
        assert found == {"city": 1, "score": 1, "year": 1}
        assert len(constant) == 3


def test_unnormalized_features():
    features = {n: ("passthrough", (n,)) for n in ("score", "year")} | {"city": ("one_hot", ("city",))}
    with people.run(people.people(60), people.pipeline(features=features)) as run:
        assert [(f.subject, f.value) for f in run.review("unnormalized_features").failed] == [("year", 2000)]
    with people.run(people.people(60), people.pipeline(features={"city": ("one_hot", ("city",))})) as run:
        assert verdicts(run, "unnormalized_features") == ["not applicable"]


def test_label_shift_is_the_population_stability_index():
    rows = [{**row, "good": int(row["year"] == 2001 or n % 5 == 0)} for n, row in enumerate(people.people(300))]
    with people.run(rows) as run:
        finding = only(run, "label_shift")
        p, q = (np.clip(np.bincount(run.labels(part), minlength=2) / len(run.labels(part)), 1e-4, 1) for part in PARTS)
        assert finding.value == pytest.approx(((p - q) * np.log(p / q)).sum())
        assert finding.verdict == "failed"


PARTS = ("train", "test")


def test_covariate_shift_is_the_kolmogorov_smirnov_statistic():
    rows = [{**row, "score": row["score"] + 0.3 * (row["year"] - 2000)} for row in people.people(300)]
    with people.run(rows) as run:
        found = {f.subject: f for f in run.review("covariate_shift").findings}
        train, test = ([r["score"] for r in rows if (r["year"] < 2001) == (part == "train")] for part in PARTS)
        assert found["score"].value == pytest.approx(stats.ks_2samp(train, test).statistic)
        assert (found["score"].verdict, found["city"].verdict) == ("failed", "passed")


def test_shift_that_chance_explains_is_no_shift():
    with people.run(people.people(24, seed=3)) as run:
        found = run.review("covariate_shift").findings + run.review("label_shift").findings
        assert {f.verdict for f in found} == {"passed"}
        assert max(f.value for f in found) > 0.2


def test_shift_without_a_split_is_not_applicable():
    with people.run(people.people(60), people.pipeline(split=people.Split())) as run:
        for check in ("covariate_shift", "label_shift", "train_test_overlap"):
            assert verdicts(run, check) == ["not applicable"]


def test_illegal_features_by_source_column():
    views = {**people.VIEWS, "adults": "SELECT name, sex || city AS city, score, year, good FROM people"}
    review = Review(illegal=("people.sex", "name", "SCORE"))
    with people.run(people.people(60), people.pipeline(views, review=review)) as run:
        found = {f.subject: f.verdict for f in run.review("illegal_features").findings}
        assert found == {"people.sex": "failed", "name": "passed", "SCORE": "failed"}
    with people.run(people.people(60)) as run:
        assert verdicts(run, "illegal_features") == ["not applicable"]


def test_a_pipeline_without_features_passes_nothing():
    made = people.pipeline(features={}, label=None, model=None, split=people.Split())
    made = made.__class__(name="people", sources=made.sources, views=made.views, review=Review(groups=("people.sex",)))
    with people.run(people.people(20), made) as run:
        found = {f.check for f in run.review().findings if f.verdict != "not applicable"}
        assert found == {"group_change"}


@pytest.mark.parametrize(
    ("review", "words"),
    [
        (Review(checks=("equal_oportunity",)), "did you mean 'equal_opportunity'"),
        (Review(groups=("sex",)), "source.column"),
        (Review(groups=("people.sexx",)), "did you mean 'sex'"),
        (Review(groups=("person.sex",)), "no source 'person'"),
        (Review(sources=("person",)), "no source 'person'"),
        (Review(thresholds=(("encoder_leakage", 1),)), "no threshold"),
        (Review(thresholds=(("label_shift", "much"),)), "give a number"),
    ],
)
def test_a_review_that_cannot_be_is_refused_by_the_run(review, words):
    with pytest.raises(InputError, match=words):
        people.run(people.people(20), people.pipeline(review=review))


def test_a_failed_check_raises():
    with people.run(people.people(60), illegal=("people.score",)) as run, pytest.raises(Disagreement, match="illegal"):
        run.review().raise_if_failed()


def test_a_store_made_before_there_were_checks():
    with people.run(people.people(20)) as run:
        run.db.execute("DROP TABLE _lester.target CASCADE")
        with pytest.raises(InputError, match="run the pipeline into it again"):
            run.review()


def test_every_check_is_plain_sql(tmp_path):
    with people.run(people.people(60), path=str(tmp_path / "people.duckdb"), groups=("people.sex",)):
        pass
    with duckdb.connect(str(tmp_path / "people.duckdb"), read_only=True) as shell:
        for name, check in CHECKS.items():
            given = {"nothing": "", "group": "'people', 'sex'", "source": "'people'"}[check.subject]
            given = "['people.sex']" if name == "illegal_features" else given
            rows = shell.execute(f"FROM lester.check_{name}({given})").fetchall()
            assert rows, name
            assert {row[4] for row in rows} <= {"passed", "failed", "not applicable"}


def test_names_are_asked_in_any_case():
    with people.run(people.people(60), groups=("People.SEX",)) as run:
        for text in (
            "lester.usage('{}')", "lester.trained_on('{}')", "lester.forward('{}', 1)",
            "lester.why_not('{}', 1, 'ADULTS')", "lester.group_fairness('{}', 'Sex')",
            "lester.group_shares('{}', 'Sex')", "lester.forward_prediction('{}', 1)",
            "lester.forward_feature('{}', 1, 'Score')", "lester.forward_column('{}', 'Score')",
        ):  # fmt: skip
            lower, upper = (run.db.rows(f"FROM {text.format(name)} ORDER BY ALL") for name in ("people", "PEOPLE"))
            assert lower == upper
            assert lower, text
        assert "failed" not in verdicts(run, "group_change")
