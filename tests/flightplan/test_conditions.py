"""What animals, law, wind and sun ask of a plan is kept, or the plan is refused with the reason."""

import json
import re
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import shapely
from click.testing import CliRunner

from flightplan.areas import Stratum, StudyArea, write_area
from flightplan.cameras import camera_named
from flightplan.commands.plan import plan_command
from flightplan.conditions import Conditions, check_height
from flightplan.errors import PlanError
from flightplan.frames import LocalFrame
from flightplan.plan import SurveyPlan
from flightplan.plan_files import load_plan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest
from flightplan.sun import glint_free_deg, sun_at
from flightplan.wildlife import species_named, species_table

FRAME = LocalFrame(34.83, -2.33)
AREA = StudyArea("Olare", (Stratum("all", FRAME.delocalise(shapely.box(-800, -500, 800, 500))),))
ELEPHANT, ZEBRA = species_named("elephant"), species_named("Equus quagga")


def plan(conditions: Conditions, altitude_agl_m: float = 80.0, **asked: object) -> SurveyPlan:
    camera = camera_named("overfly-demo")
    return plan_survey(
        AREA, PlanRequest(camera=camera, altitude_agl_m=altitude_agl_m, spacing_m=300.0, conditions=conditions, **asked)
    )


def test_each_species_has_a_height_a_size_and_a_source() -> None:
    names = [s.name for s in species_table()]
    assert len(set(names)) == len(names) >= 8
    for species in species_table():
        assert species.min_height_agl_m >= 25
        assert species.length_m > species.width_m > 0
        assert any(c.isdigit() for c in species.source)


def test_an_animals_size_in_pixels_follows_from_the_ground_sampling_distance() -> None:
    assert ELEPHANT.size_px(12.0) == pytest.approx((45.8, 20.0), abs=0.1)
    assert ZEBRA.size_px(12.0) == pytest.approx((19.2, 5.8), abs=0.1)
    with pytest.raises(PlanError, match="0 cm"):
        ZEBRA.size_px(0.0)


@pytest.mark.parametrize(
    ("name", "words"), [("elefant", "Did you mean elephant"), ("wombat", "Known are: elephant, giraffe")]
)
def test_a_species_without_a_study_has_no_height_invented_for_it(name: str, words: str) -> None:
    with pytest.raises(PlanError, match="its least height is not known") as refused:
        species_named(name)
    assert words in str(refused.value)


def test_a_plan_below_what_a_species_bears_is_refused_and_forced_it_says_so() -> None:
    with pytest.raises(PlanError, match="50 m above ground is below the 60 m that elephant needs") as refused:
        plan(Conditions(species=(ELEPHANT,)), 50.0)
    assert "Bennitt" in str(refused.value)
    assert "--force-height" in str(refused.value)
    forced = plan(Conditions(species=(ELEPHANT, ZEBRA), force_height=True), 50.0)
    assert sum("forced" in w for w in forced.warnings) == 2
    assert forced.species == ("elephant", "zebra")
    kept = plan(Conditions(species=(ELEPHANT,)), 60.0)
    assert not any("forced" in w or "elephant" in w for w in kept.warnings)
    assert any(n.startswith("an adult elephant is about 61 × 27 px") for n in kept.notes)
    assert any("2 m/s" in n and "Hartmann" in n for n in kept.notes)


def test_hills_that_bring_the_ground_nearer_count() -> None:
    with pytest.raises(PlanError, match="57 m above ground"):
        check_height(Conditions(species=(ZEBRA,)), 57.0, 66.0)
    with pytest.raises(PlanError, match="would reach 123 m"):
        check_height(Conditions(ceiling_agl_m=120.0), 110.0, 123.0)


def test_above_the_ceiling_there_is_no_plan_and_above_the_usual_one_a_warning() -> None:
    with pytest.raises(PlanError, match="reach 80 m above ground, and the ceiling is 60 m"):
        plan(Conditions(ceiling_agl_m=60.0))
    assert any("higher than the 120 m" in w for w in plan(Conditions(), 130.0).warnings)
    assert not any("120 m" in w for w in plan(Conditions(ceiling_agl_m=150.0), 130.0).warnings)
    assert not any("120 m" in w for w in plan(Conditions(), 120.0).warnings)
    with pytest.raises(PlanError, match="ceiling of 0 m is not one"):
        plan(Conditions(ceiling_agl_m=0.0))


def test_more_wind_than_the_drone_bears_is_refused() -> None:
    with pytest.raises(PlanError, match="wind of 11 m/s is more than the 10 m/s that overfly-demo"):
        plan(Conditions(wind_mps=11.0), drone="overfly-demo")
    with pytest.raises(PlanError, match="wind of -1 m/s"):
        plan(Conditions(wind_mps=-1.0))
    assert any("wind up to 10 m/s" in n for n in plan(Conditions(wind_mps=10.0), drone="overfly-demo").notes)


@pytest.mark.parametrize(
    ("time", "words"),
    [
        ("2026-03-01T07:30+03:00", "at 07:30 the sun is only 10° high: shadows are 5.9 times as long"),
        ("2026-03-01T12:50+03:00", "the sun glints in water in every frame"),
        ("2026-03-01T22:00+03:00", "below the horizon"),
    ],
)
def test_a_time_that_spoils_pictures_is_warned_of(time: str, words: str) -> None:
    result = plan(Conditions(when=datetime.fromisoformat(time)))
    assert any(words in w for w in result.warnings)


def test_a_good_time_is_no_warning_and_a_date_alone_says_when_the_sun_rises() -> None:
    morning = plan(Conditions(when=datetime.fromisoformat("2026-03-01T09:00+03:00")))
    assert not any("sun" in w for w in morning.warnings)
    assert "sunrise 06:48, sun highest 12:53 at 85°, sunset 18:57" in morning.notes
    day = plan(Conditions(when=date(2026, 3, 1)))
    assert any(n.startswith("sunrise 03:48 UTC") for n in day.notes)
    assert any(n.startswith("thermal: from 02:18 UTC to 05:18 UTC") for n in day.notes)


def test_a_day_says_when_there_is_light_for_pictures() -> None:
    notes = plan(Conditions(when=date.fromisoformat("2026-03-01"))).notes
    (said,) = [n for n in notes if n.startswith("light for pictures")]
    hours = [datetime.fromisoformat(f"2026-03-01T{t}+00:00") for t in re.findall(r"(\d\d:\d\d) UTC", said)]
    assert len(hours) == 4
    camera, place = camera_named("overfly-demo"), (AREA.frame.longitude_deg, AREA.frame.latitude_deg)
    for first, last in (hours[:2], hours[2:]):
        for minutes, good in ((0, True), ((last - first).total_seconds() / 60, True), (-6, False)):
            sun = sun_at(*place, first + timedelta(minutes=minutes))
            assert (sun.elevation_deg >= 19.9 and glint_free_deg(sun, camera) >= -0.1) is good
        sun = sun_at(*place, last + timedelta(minutes=6))
        assert sun.elevation_deg < 20 or glint_free_deg(sun, camera) < 0


def test_the_table_has_the_common_survey_animals_each_with_who_found_so_and_what_happens_lower() -> None:
    table = {s.name: s for s in species_table()}
    assert len(table) >= 20
    for name in ("elephant", "waterfowl", "geese", "colonial waterbirds", "beluga", "Antarctic fur seal", "bison"):
        assert name in table
    for species in table.values():
        assert re.search(r"\b(19|20)\d\d\b", species.source), species.name
        assert species.evidence
        for rule in species.rules:
            assert rule.endswith(")") or species.source.startswith("Bennitt"), rule
    with pytest.raises(PlanError, match="below the 100 m that geese needs: lower, flocks fly up more often"):
        plan(Conditions(species=(species_named("geese"),)))
    forced = plan(Conditions(species=(species_named("Lama guanicoe"),), force_height=True))
    assert any("forced" in w and "154 m away" in w and "Schroeder" in w for w in forced.warnings)


def test_nothing_is_assumed_that_was_not_said() -> None:
    result = plan(Conditions())
    assert result == plan_survey(
        AREA, PlanRequest(camera=camera_named("overfly-demo"), altitude_agl_m=80.0, spacing_m=300.0)
    )
    assert result.species == ()
    assert not any("sun" in n for n in result.notes)


def run(tmp_path: Path, *arguments: str) -> tuple[int, str, str]:
    write_area(AREA, tmp_path / "park.geojson")
    asked = ["--camera", "overfly-demo", "--spacing", "300", "--out", str(tmp_path / "plan")]
    result = CliRunner().invoke(plan_command, [str(tmp_path / "park.geojson"), *asked, *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_refuses_a_low_plan_unless_forced(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, "--height", "50", "--species", "zebra")
    assert (code, out) == (1, "")
    assert "below the 60 m that zebra needs" in err
    assert not (tmp_path / "plan").exists()
    code, out, err = run(tmp_path, "--height", "50", "--species", "zebra", "--force-height", "--json")
    assert code == 0
    document = json.loads(out)
    assert any("forced" in w for w in document["warnings"])
    assert any("px" in n for n in document["notes"])
    assert Path(document["map"]).is_file()
    assert load_plan(tmp_path / "plan").warnings == tuple(document["warnings"])
    assert "Warning: 50 m above ground is below" in err


@pytest.mark.parametrize("when", ["tomorrow", "2026-13-01", "2026-03-01T07:30", "2026-03-01 25:00Z"])
def test_a_date_that_is_none_or_says_no_offset_is_wrong_usage(tmp_path: Path, when: str) -> None:
    code, out, err = run(tmp_path, "--height", "80", "--date", when)
    assert (code, out) == (2, "")
    assert "2026-03-01T07:30+03:00" in err
