"""Availability differs by stratum and by hour of the day; each animal has exactly one value."""

from pathlib import Path

import numpy as np
import pytest

from counts.availability import Availability, availability_of, read_availability, solar_hours
from flightplan.errors import DesignError, UnreadableFileError

MORNING = {"species": "hippo", "value": 0.6, "standard_error": 0.05, "source": "dives", "hours": [6, 12]}
REST = {"species": "hippo", "value": 0.4, "standard_error": 0.05, "source": "dives", "hours": [12, 6]}


def values(*tables: dict) -> Availability:
    return availability_of({"availability": list(tables)})


def test_hours_go_over_midnight() -> None:
    found = values(MORNING, REST).assign("hippo", ["river"] * 5, [6.0, 11.99, 12.0, 23.5, 5.9])
    assert found.tolist() == [0, 0, 1, 1, 1]


def test_strata_have_their_own_values() -> None:
    both = [{**MORNING, "hours": [0, 24], "stratum": s} for s in ("river", "bank")]
    assert values(*both).assign("hippo", ["bank", "river"], [1.0, 3.0]).tolist() == [1, 0]


def test_an_animal_without_a_value_or_with_two_is_named() -> None:
    with pytest.raises(DesignError, match=r"hippo has no value in river at 13\.0 h"):
        values(MORNING).assign("hippo", ["river"], [13.0])
    with pytest.raises(DesignError, match="hippo has two values in river"):
        values(MORNING, {**MORNING, "hours": [11, 13]}).assign("hippo", ["river"], [11.5])
    with pytest.raises(DesignError, match="at an unknown time"):
        values(MORNING).assign("hippo", ["river"], [np.nan])


def test_a_value_for_all_hours_needs_no_clock() -> None:
    plain = {k: v for k, v in MORNING.items() if k != "hours"}
    assert values(plain).assign("hippo", ["river"], [np.nan]).tolist() == [0]
    assert values(plain).of("lion") == ()


def test_noon_is_when_the_sun_stands_highest() -> None:
    noon_utc = 12 * 3600.0
    assert solar_hours([noon_utc], 0.0)[0] == 12.0
    assert solar_hours([noon_utc], 34.83)[0] == pytest.approx(14.322)
    assert solar_hours([noon_utc], -180.0)[0] == 0.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no value"),
        ("[[availability]]\nspecies = 'a'\nsource = 'x'\nvalue = 1.2\nstandard_error = 0\n", "at most 1"),
        ("[[availability]]\nspecies = 'a'\nvalue = 0.2\nstandard_error = 0\n", "there is no source"),
        ("[[availability]]\nspecies = 'a'\nsource = 'x'\nvalue = 0.2\n", "there is no standard_error"),
        (
            "[[availability]]\nspecies = 'a'\nsource = 'x'\nvalue = 0.2\nstandard_error = 0\nhours = [3]\n",
            "hours are two numbers",
        ),
        (
            "[[availability]]\nspecies = 'a'\nsource = 'x'\nvalue = 0.2\nstandard_error = 0\ncolour = 1\n",
            "unknown key 'colour'",
        ),
    ],
)
def test_a_fault_in_the_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(DesignError, match=said):
        read_availability(path)


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[[")
    with pytest.raises(UnreadableFileError, match="the availability cannot be read"):
        read_availability(path)
