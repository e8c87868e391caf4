"""What is typed at `overfly fly`, and how a person is asked."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from flightplan.commands import fly_options as module
from flightplan.commands.fly_options import FlyOptions, fly_options, table_of
from flightplan.energy import Wind
from flightplan.errors import VehicleError
from flightplan.vehicle.controls import Keyboard
from flightplan.vehicle.setup import Change, FlightSetup

CHANGES = (Change("FS_GCS_ENABLE", 0.0, 1.0, "so that it comes back"),)


def options(*typed: str) -> FlyOptions:
    found: list[FlyOptions] = []

    @click.command()
    @fly_options
    def command(options: FlyOptions) -> None:
        found.append(options)

    result = CliRunner().invoke(command, list(typed))
    assert result.exit_code == 0, result.output
    return found[0]


def setup(*typed: str, drone: str | None = None, live: bool = False) -> FlightSetup:
    return options(*typed).setup(drone, None, Keyboard(), live=live)


def test_the_plans_drone_gives_the_limits_that_are_not_typed() -> None:
    assert setup().rules.max_wind_mps is None
    rules = setup(drone="overfly-demo").rules
    assert (rules.max_wind_mps, rules.least_charge, rules.return_mps) == (10.0, 0.1, 12.0)
    rules = setup("--max-wind", "6.5", "--least-charge", "25", drone="overfly-demo").rules
    assert (rules.max_wind_mps, rules.least_charge) == (6.5, 0.25)


def test_the_plans_wind_is_reckoned_with_on_the_way_home() -> None:
    found = options().setup("overfly-demo", None, Keyboard(), live=False, planned_wind=Wind(6.0, 270.0))
    assert (found.rules.planned_wind_mps, found.rules.return_mps) == (6.0, 12.0)
    assert setup(drone="overfly-demo").rules.planned_wind_mps is None


def test_a_drone_that_is_not_in_the_library_has_no_limits_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    found = setup(drone="Uncle Joe's hexacopter")
    assert (found.drone, found.rules.max_wind_mps) == (None, None)
    assert "not in the library" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "live", "tests"),
    [((), False, False), ((), True, True), (("--test-camera",), False, True), (("--no-test-camera",), True, False)],
)
def test_a_test_picture_is_taken_with_a_real_vehicle_or_when_asked_for(typed, live, tests) -> None:
    assert setup(*typed, live=live).test_camera is tests


class Terminal:
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("answer", [True, False])
def test_a_person_is_shown_old_and_new_and_asked(monkeypatch, capsys, answer: bool) -> None:
    asked = []

    def confirm(text: str, **how: object) -> bool:
        asked.append((text, how["default"]))
        return answer

    monkeypatch.setattr(module.sys, "stdin", Terminal())
    monkeypatch.setattr(module.click, "confirm", confirm)
    assert setup().consent(CHANGES) is answer
    assert asked == [("Set these on the vehicle?", False)]
    assert "FS_GCS_ENABLE: 0 -> 1, so that it comes back" in capsys.readouterr().err


def test_where_nobody_can_be_asked_nothing_is_changed_unless_it_was_typed() -> None:
    assert setup().consent(CHANGES) is False
    assert setup("--set-parameters").consent(CHANGES) is True


def test_a_key_file_that_is_none_is_refused(tmp_path: Path) -> None:
    assert options().signing() is None
    with pytest.raises(VehicleError, match="cannot read the signing key"):
        options("--signing-key", str(tmp_path / "none")).signing()


def test_the_table_has_a_line_for_each_check_and_what_to_do_where_it_did_not_pass() -> None:
    checks = [
        {"status": "pass", "name": "home", "text": "0 m", "remedy": "walk"},
        {"status": "fail", "name": "battery", "text": "charge 10%", "remedy": "Fly with a full battery."},
    ]
    assert table_of(checks).splitlines() == [
        "pass     home     0 m",
        "fail     battery  charge 10%",
        "                  -> Fly with a full battery.",
    ]
