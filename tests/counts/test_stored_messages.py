"""A plan's warnings and doubts about flights come back from the census as messages."""

from dataclasses import replace

from counts import store
from counts.store.repairs import add_findings, read_findings
from detect.findings import PoseFinding
from flightplan.messages import Message, message

WARNING = message("stratum {stratum} has one transect: its variance cannot be estimated", stratum="woodland")


def test_a_plans_warnings_are_messages_in_the_census(census, plan):
    warned = replace(plan, warnings=(WARNING, "in plain words"))
    with census.writing() as session:
        survey = store.add_survey(session, warned, name="s")
    with census.reading() as session:
        kept = store.read_warnings(session, survey)
    assert kept == warned.warnings
    assert [isinstance(text, Message) for text in kept] == [True, False]


def test_findings_keep_what_their_sentences_were_made_from(filled):
    found = [PoseFinding("yaw-flipped", (), WARNING), PoseFinding("yaw-flipped", (), "in plain words")]
    with filled.writing() as session:
        survey = store.find_survey(session, "2026-wet").survey_id
        add_findings(session, survey, found)
        add_findings(session, survey, found)
    with filled.reading() as session:
        kept = [finding.text for finding in read_findings(session, survey)]
    assert kept == [WARNING, "in plain words"]
    assert [isinstance(text, Message) for text in kept] == [True, False]
