"""Individuals and estimates are kept as they were found, with all they came from."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from counts import store
from counts.census import Census
from counts.estimators import Component
from counts.estimators.estimate import estimate, no_estimate
from counts.verification import Correction
from flightplan.errors import CensusError

_spec = importlib.util.spec_from_file_location("stored_survey", Path(__file__).with_name("stored_survey.py"))
stored_survey = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(stored_survey)
NOON, counted, survey = stored_survey.NOON, stored_survey.counted, stored_survey.survey

pytestmark = pytest.mark.parametrize("database", ["geopackage", "postgis"], indirect=True)


class TestIdentity:
    def test_individuals_come_back_with_their_sightings_counted(self, census, counted):
        with census.reading() as session:
            table = store.read_individuals(session, counted[2])
            rows = session.execute(
                text("SELECT individual_id, variance_east_m2, covariance_m2 FROM sightings ORDER BY fid")
            ).all()
        assert table.species.tolist() == ["zebra", "elephant"]
        assert table.sightings.tolist() == [2, 0]
        assert table.transect == ("woodland-01", None)
        np.testing.assert_array_equal(table.lonlat, [[34.81, -2.3305], [34.82, -2.33]])
        assert [row[0] for row in rows] == [table.individual_id[0], None, table.individual_id[0]]
        assert [row[1] for row in rows] == [4.0, None, 2.0]
        assert rows[2][2] == 0.5

    def test_a_new_identity_run_leaves_the_old_one_as_it_was(self, census, counted):
        key, _, first = counted
        empty = np.empty((0, 2))
        nobody = store.IdentityEntry(
            np.empty(0, dtype=np.int64), empty, np.empty((0, 2, 2)), np.empty(0, dtype=np.int64), [], empty, []
        )
        with census.writing() as session:
            run = store.latest_detection_run(session, key).run_id
            second = store.add_identity_run(session, run, nobody, method="none", parameters={})
            assert store.latest_identity_run(session, key) == second
            assert len(store.read_individuals(session, second)) == 0
            assert store.read_individuals(session, second).lonlat.shape == (0, 2)
            assert len(store.read_individuals(session, first)) == 2

    def test_a_checked_frame_is_on_disk_once_it_was_acknowledged(self, census, counted):
        _, captures, identity = counted
        sent = (
            store.VerificationEntry(captures[0], "positive", "zebra", 3, 2),
            store.VerificationEntry(captures[2], "zero", "zebra", 1, 0),
        )
        for _ in range(2):
            with census.writing() as session:
                store.add_verification(session, identity, sent, who="M. Odhiambo", time_utc=NOON)
        census.close()
        with Census.open(census.where, create=False) as again, again.reading() as session:
            assert store.read_verification(session, identity) == sent

    def test_a_verdict_is_on_disk_once_it_was_acknowledged(self, census, counted):
        _, captures, _ = counted
        sent = store.VerdictEntry(captures[0], 1, "relabel", "M. Odhiambo", NOON, {"label": "zebra"}, {"label": "topi"})
        missed = store.VerdictEntry(captures[0], None, "add", "M. Odhiambo", NOON, None, {"box_px": [1, 2, 3, 4]})
        with census.writing() as session:
            store.add_verdict(session, sent)
        with census.writing() as session:
            store.add_verdict(session, missed)
        census.close()
        with Census.open(census.where, create=False) as again, again.reading() as session:
            assert store.read_verdicts(session, captures[0]) == (sent, missed)

    @pytest.mark.parametrize("table", ["verdicts", "verification_samples"])
    @pytest.mark.parametrize("change", ["UPDATE {} SET who = 'x'", "DELETE FROM {}"])
    def test_what_people_said_is_never_changed_or_deleted(self, census, counted, table, change):
        _, captures, identity = counted
        with census.writing() as session:
            store.add_verdict(session, store.VerdictEntry(captures[0], 1, "accept", "a", NOON))
            entry = store.VerificationEntry(captures[0], "zero", "zebra", 0, 0)
            store.add_verification(session, identity, [entry], who="a", time_utc=NOON)
        with pytest.raises(CensusError, match=f"{table} is append-only"), census.writing() as session:
            session.execute(text(change.format(table)))

    def test_a_verdict_of_another_kind_is_refused(self, census, counted):
        with pytest.raises(CensusError, match="'maybe'"), census.writing() as session:
            store.add_verdict(session, store.VerdictEntry(counted[1][0], 1, "maybe", "a", NOON))


def count(session, key, entries=(), **change):
    about = {"identity_run_id": None, "effort": (), "corrections": (), "parameters": {}, "estimates": entries}
    return store.add_estimate_run(session, key, **{**about, **change})


class TestResults:
    def test_an_estimators_result_comes_back_to_the_last_bit(self, census, survey):
        parts = [Component("sampling", 1e4, 12.0), Component("detection", 900.0, 40.0, "frames")]
        result = estimate(1240.4, parts, method="Jolly 2", units=13, seen=87.0, notes=("one herd dominates",))
        sent = store.EstimateEntry.of(result, species="zebra", stratum="woodland", individuals=90, possible_units=56.25)
        assert sent.components == {"sampling": 1e4, "detection": 900.0}
        assert (sent.individuals, sent.se, sent.df) == (90, np.sqrt(10900.0), result.degrees_of_freedom)
        with census.writing() as session:
            run = count(session, survey[0], [sent])
        with census.reading() as session:
            assert store.read_estimates(session, run.estimate_run_id) == (sent,)

    def test_an_estimate_that_cannot_be_made_is_none_with_its_reason(self, census, survey):
        result = no_estimate("one transect", method="Jolly 2", units=1)
        sent = store.EstimateEntry.of(result, species="zebra", stratum=None, individuals=3)
        with census.writing() as session:
            run = count(session, survey[0], [sent])
            back = store.read_estimates(session, run.estimate_run_id)[0]
        assert (back.value, back.se, back.lower, back.upper, back.cv) == (None,) * 5
        assert back.limits_reason == "one transect"

    def test_limits_that_are_missing_without_a_reason_are_refused(self, census, survey):
        bare = store.EstimateEntry("zebra", None, "Jolly 2", 5.0, None, None, None, None, None, 1, 5)
        with pytest.raises(CensusError, match="no limits and no reason"), census.writing() as session:
            count(session, survey[0], [bare])

    def test_a_number_that_is_not_one_is_refused(self, census, survey):
        bad = store.EstimateEntry("zebra", None, "Jolly 2", float("nan"), 1.0, 1.0, 2.0, 0.1, 3.0, 4, 5)
        with pytest.raises(CensusError, match="not finite"), census.writing() as session:
            count(session, survey[0], [bad])

    def test_corrections_and_effort_come_back_with_what_they_say_of_themselves(self, census, survey):
        measured = Correction("detection", 1.08, 0.002, 38.0, "stratified difference", "60 frames", 120.0, 111.0, 40.0)
        refused = Correction("detection", None, None, None, "difference", "60 frames", reason="none counted")
        sent = (
            store.CorrectionEntry.of(measured, species="zebra", frames=60),
            store.CorrectionEntry.of(refused, species="elephant"),
        )
        effort = (store.EffortEntry("woodland-02", 85000.0, 890.0, 15), store.EffortEntry("woodland-01", 0.0, 0.0, 0))
        with census.writing() as session:
            run = count(session, survey[0], corrections=sent, effort=effort)
        with census.reading() as session:
            back = store.read_corrections(session, run.estimate_run_id)
            assert store.read_effort(session, run.estimate_run_id) == effort
        assert back == sent
        assert back[0].details["frames"] == 60
        assert (back[1].factor, back[1].reason) == (None, "none counted")

    def test_counting_again_is_the_same_layer_and_another_input_is_another_one(self, census, survey):
        key = survey[0]
        with census.writing() as session:
            first = count(session, key, inputs_hash="a")
            assert count(session, key, inputs_hash="a") == first
            second = count(session, key, inputs_hash="b")
            assert second.estimate_run_id != first.estimate_run_id
            assert second.provenance_hash != first.provenance_hash
            assert store.latest_estimate_run(session, key) == second
            third = count(session, key, inputs_hash="a")
            assert store.latest_estimate_run(session, key) == third
            assert third.provenance_hash == first.provenance_hash

    def test_numpy_numbers_are_kept_as_numbers(self, census, survey):
        entry = store.EffortEntry("woodland-01", np.float64(5.5), np.float32(2.0), np.int64(3))
        with census.writing() as session:
            run = count(session, survey[0], effort=[entry], parameters={"n": np.int64(4), "x": np.array([1.5])})
        with census.reading() as session:
            assert store.read_effort(session, run.estimate_run_id) == (store.EffortEntry("woodland-01", 5.5, 2.0, 3),)
            assert store.read_estimate_run(session, run.estimate_run_id).parameters == {"n": 4, "x": [1.5]}
