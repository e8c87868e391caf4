"""The methods statement says what was done in this survey, and nothing that was not."""

from dataclasses import replace

import numpy as np
import pytest

from counts.census import Census
from counts.report.facts import gather
from counts.report.methods import methods
from counts.report.words import Words
from counts.store.surroundings import MaskEntry


@pytest.fixture(scope="module")
def facts(filled_file):
    with Census.open(filled_file) as census, census.reading() as session:
        return gather(session, "2026-wet", "x")


def told(facts):
    return " ".join(methods(facts, Words()))


def test_a_sample_of_transects_is_told_as_one(facts):
    text = told(facts)
    assert "The design is parallel transects at equal spacing, with one random start in each stratum (seed 7)." in text
    assert "A transect is the sampling unit." in text
    assert "Nothing was merged across transects" in text
    assert "nothing is scaled up" not in text
    assert "left out" not in text


def test_a_count_of_all_of_the_area_has_no_sampling_unit(facts):
    whole = replace(
        facts,
        survey=replace(facts.survey, design_kind="full"),
        estimates=tuple(replace(e, method="total count") for e in facts.estimates),
    )
    text = told(whole)
    assert "The design is full coverage by strips that touch or overlap" in text
    assert "All of the area was to be seen: the number is a count, and nothing is scaled up." in text
    assert "sampling unit" not in text
    assert "Jolly" not in text


def test_ground_under_a_mask_is_said_to_be_left_out(facts):
    stratum = facts.area.strata[0].polygon
    masked = replace(
        facts,
        masks=(MaskEntry("water", stratum, "a map"),),
        effort=tuple(replace(e, masked_area_m2=10_000.0) for e in facts.effort),
    )
    area = 0.01 * len(facts.effort)
    assert f"could not be seen was left out, in the strips {area:.2f} km²." in told(masked)
    assert "left out" not in told(replace(masked, masks=()))


def test_detections_in_pictures_that_were_left_out_are_told_apart(facts):
    run = replace(facts.detection, detections=facts.reviewing.detections + 12)
    text = told(replace(facts, detection=run))
    assert f"it gave {run.detections} detections. 12 of them are in pictures that were left out." in text
    assert "in pictures that were left out" not in told(facts)


def test_animals_outside_the_strips_are_not_said_to_be_counted(facts):
    merging = {"elephant": (110, 109, 120)}
    identity = replace(facts.identity, parameters={**facts.identity.parameters, "merging": merging})
    counted = replace(facts, identity=identity)
    assert "Counted were elephant 110 (109 to 120); in brackets" in told(counted)
    outside = replace(facts.individuals, transect=(None, *facts.individuals.transect[1:]))
    text = told(replace(counted, individuals=outside))
    assert "1 of them stands outside the strips and is not counted." in text
    assert "Told apart were elephant 110 (109 to 120), those outside the strips among them" in text
    assert "Counted were" not in text
    assert np.array_equal(outside.species, facts.individuals.species)
