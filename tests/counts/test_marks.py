"""Collared animals in pictures say which share was found; marked ones at camera traps say how many there are."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import shapely
from click.testing import CliRunner

from counts.census import Census
from counts.marks import Frames, Resighting, marked_among_seen, resight, share_found
from counts.report import write_report
from counts.store import find_survey, latest_identity_run, read_area, read_individuals
from counts.store.elsewhere import CameraEntry, DeploymentEntry, add_camera_observations, add_deployments
from counts.store.received import SourceEntry, add_source
from overfly.chain import count_survey
from overfly.cli import main

NOW = START = datetime(2026, 2, 14, 6, 30, tzinfo=UTC)
# Two lines of three frames each, 100 m wide, a minute apart, 400 m between the lines.
BOXES = np.array([shapely.box(x, y, x + 100, y + 60) for x in (0, 500) for y in (0, 60, 120)], dtype=object)
FRAMES = Frames(BOXES, np.arange(6) * 60.0 + 60.0, np.array([0, 0, 0, 1, 1, 1]))
NONE_FOUND = (np.empty((0, 2)), np.empty(0, dtype=np.int64))


def standing(x: float, y: float) -> tuple[np.ndarray, np.ndarray]:
    return np.array([0.0, 600.0]), np.array([[x, y], [x, y]])


def test_an_animal_in_view_is_found_when_one_of_its_kind_stands_where_it_was() -> None:
    found = np.array([[52.0, 33.0]]), np.array([0])
    assert resight("a", *standing(50, 30), FRAMES, *found) == Resighting("a", 1, 1)
    assert resight("a", *standing(50, 30), FRAMES, *NONE_FOUND) == Resighting("a", 1, 0)
    far = np.array([[52.0, 90.0]]), np.array([0])
    assert resight("a", *standing(50, 30), FRAMES, *far).found == 0
    other_line = np.array([[52.0, 33.0]]), np.array([1])
    assert resight("a", *standing(50, 30), FRAMES, *other_line).found == 0


def test_an_animal_at_the_edge_outside_or_on_its_way_is_not_surely_in_view() -> None:
    assert resight("a", *standing(5, 30), FRAMES, *NONE_FOUND).present == 0
    assert resight("a", *standing(300, 30), FRAMES, *NONE_FOUND).present == 0
    walking = np.array([0.0, 600.0]), np.array([[50.0, -200.0], [50.0, 300.0]])
    assert resight("a", *walking, FRAMES, *NONE_FOUND).present == 0
    seldom = np.array([0.0, 7200.0]), np.array([[50.0, 30.0]] * 2)
    assert resight("a", *seldom, FRAMES, *NONE_FOUND).present == 0, "two hours without a fix"
    late = np.array([5000.0, 5600.0]), np.array([[50.0, 30.0]] * 2)
    assert resight("a", *late, FRAMES, *NONE_FOUND).present == 0


def test_the_share_found_has_the_error_of_a_ratio_between_animals() -> None:
    found = share_found([Resighting("a", 4, 4), Resighting("b", 2, 1), Resighting("c", 4, 1), Resighting("d", 0, 0)])
    assert (found.present, found.found, found.share) == (10, 6, 0.6)
    # Residuals 1.6, −0.2, −1.4: √(3/2 · 4.56) / 10.
    assert found.standard_error == pytest.approx((1.5 * 4.56) ** 0.5 / 10)
    assert share_found([]).reason == "no collared animal was surely in a picture"
    assert share_found([Resighting("a", 3, 1)]).rate("s") is None
    assert "nothing to divide by" in (share_found([Resighting("a", 3, 0), Resighting("b", 2, 0)]).reason or "")
    assert "no measure of the error" in (share_found([Resighting("a", 3, 3), Resighting("b", 2, 2)]).reason or "")


def camera(day: int, individual: str | None = None, count: int | None = 1, species: str = "elephant") -> CameraEntry:
    time = START + timedelta(days=day)
    return CameraEntry(
        f"{day}-{individual}-{count}", "d", time, time, "event", "animal", species, None, count, individual
    )


def test_marked_animals_among_those_at_cameras_estimate_all_of_them() -> None:
    marks = [("Tim", "tag 7"), ("Una",), ("Vera",)]
    observations = [camera(1, "tim"), camera(2, count=5), camera(3, "TAG 7", 2), camera(3, species="zebra"), camera(90)]
    found, seen, again = marked_among_seen(observations, ("elephant",), marks, START, START)
    assert (seen, again) == (8, 2)
    # Bailey: 3·9/3, and 9·9·6/(9·4).
    assert found.value == pytest.approx(9.0)
    assert found.variance == pytest.approx(13.5)
    none, _, _ = marked_among_seen([camera(2, count=5)], ("elephant",), marks, START, START)
    assert (none.lower, none.reason) == (None, "no marked animal was seen again")
    assert marked_among_seen(observations, ("elephant",), [], START, START)[0].value is None


def run(*arguments: str) -> dict:
    done = CliRunner().invoke(main, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def collared(filled: Census, tmp_path: Path) -> Census:
    """Elephants that were found wear collars, and three that stand where nobody found one."""
    count_survey(filled)
    with filled.reading() as session:
        survey = find_survey(session, "2026-wet")
        frame = read_area(session, survey.survey_id).frame
        table = read_individuals(session, latest_identity_run(session, survey.survey_id))
    every = frame.to_local(table.lonlat[[s == "elephant" for s in table.species]])
    lines = -2700 + 150 + np.arange(13) * 400.0
    middle = np.abs(every[:, :1] - lines).min(axis=1) < 25
    places = [*every[middle][::6][:6].tolist()]
    for x in lines:
        for y in (-700.0, -300.0, 300.0, 600.0):
            if len(places) < 9 and np.hypot(*(every - [x, y]).T).min() > 80:
                places.append([x, y])
    assert len(places) == 9
    rows = ["event-id,timestamp,location-long,location-lat,individual-local-identifier,individual-taxon-canonical-name"]
    for number, (east, north) in enumerate(frame.to_lonlat(places).tolist()):
        for step in range(20):
            time = START + timedelta(minutes=10 * step - 10)
            rows.append(f"{len(rows)},{time:%Y-%m-%d %H:%M:%S.000},{east},{north},E{number},Loxodonta africana")
    path = tmp_path / "study.csv"
    path.write_text("\n".join(rows))
    run("import", "movebank", str(path), str(filled.where))
    return filled


def test_a_count_says_how_many_collared_animals_were_found_and_corrects_by_them_when_asked(
    collared: Census, tmp_path: Path
) -> None:
    census = str(collared.where)
    plain = run("count", census, "--species", "elephant")
    (line,) = plain["corrections"]
    assert (line["kind"], line["factor"]) == ("mark-resight", None)
    present = sum(a["present"] for a in line["details"]["animals"])
    found = sum(a["found"] for a in line["details"]["animals"])
    animals = len(line["details"]["animals"])
    assert present > found > 3
    assert animals > 5
    assert f"{found} of {present} times" in line["reason"]
    beside = write_report(collared, "2026-wet", tmp_path / "beside.html").read_text(encoding="utf-8")
    assert f"{found} of {present} times that a collared animal was in view it was found" in beside
    assert "mark-resight could not be made" not in beside, "nobody asked it to"
    marked = run("count", census, "--species", "elephant", "--marks")
    (by,) = marked["corrections"]
    assert by["factor"] == pytest.approx(present / found)
    assert by["source"] == f"collars in the pictures of 2026-wet: {found} of {present} found, {animals} animals"
    for before, after in zip(plain["estimates"], marked["estimates"], strict=True):
        assert after["value"] == pytest.approx(before["value"] * present / found)
        assert after["components"]["mark-resight"] > 0
    page = write_report(collared, "2026-wet", tmp_path / "report.html").read_text(encoding="utf-8")
    assert by["source"] in page
    assert "availability was not measured" not in page, "marks measure it, and detection, in one"
    assert "The detector misses" not in page, "a large share of them hidden says nothing of the detector"


def test_marked_animals_at_camera_traps_stand_beside_the_count(collared: Census) -> None:
    """Nine marked in the area; of 24 elephants at the cameras six are of them: 9·25/7."""
    deployment = DeploymentEntry("d", 34.83, -2.33, START - timedelta(days=9), START + timedelta(days=9))
    seen = [camera(day % 5, f"E{day}") for day in range(6)] + [camera(3, count=n) for n in (7, 11)]
    with collared.writing() as session:
        source = add_source(
            session,
            SourceEntry("camtrapdp", "cameras.zip", "park", "ab" * 32),
            found=9,
            added=9,
            skips=(),
            time_utc=START,
        )
        add_deployments(session, source, "park", [deployment])
        add_camera_observations(session, source, "park", seen)
    lines = {c["kind"]: c for c in run("count", str(collared.where), "--species", "elephant")["corrections"]}
    line = lines["marks at cameras"]
    assert line["factor"] is None
    assert line["source"] == "6 of 24 animals at camera traps were among the 9 marked in the area"
    assert line["details"]["value"] == pytest.approx(9 * 25 / 7)
    assert "an estimate of its own, to be set beside the count: 32 animals (95 % limits" in line["reason"]


def test_marks_do_not_correct_twice(collared: Census, tmp_path: Path) -> None:
    value = tmp_path / "a.toml"
    value.write_text('[[availability]]\nspecies = "elephant"\nvalue = 0.5\nstandard_error = 0.1\nsource = "collars"\n')
    done = CliRunner().invoke(main, ["count", str(collared.where), "--marks", "--availability", str(value)])
    assert done.exit_code == 1
    assert "corrected for already" in done.stderr
