"""Preflight: whether the camera answers and its card has room, and whether the mission is above the ground."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyproj
import pytest

from flightplan.plan import Sortie
from flightplan.terrain import Terrain
from flightplan.vehicle.checks import Status

_spec = importlib.util.spec_from_file_location("standing_vehicle", Path(__file__).with_name("standing_vehicle.py"))
standing_vehicle = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(standing_vehicle)
HOME, PLAN, Standing, line, table = (
    standing_vehicle.HOME,
    standing_vehicle.PLAN,
    standing_vehicle.Standing,
    standing_vehicle.line,
    standing_vehicle.table,
)
told = standing_vehicle.told


@pytest.mark.parametrize(
    ("answers", "stands", "words"),
    [
        ({203: (0, told("CAMERA_FEEDBACK"))}, Status.PASS, "reported"),
        ({203: (0, told("CAMERA_IMAGE_CAPTURED"))}, Status.PASS, "reported"),
        ({203: (0, told("CAMERA_TRIGGER"))}, Status.PASS, "fired the trigger"),
        ({203: (0, None)}, Status.FAIL, "nothing came back"),
        ({2000: (0, told("CAMERA_IMAGE_CAPTURED"))}, Status.PASS, "reported"),
        ({}, Status.FAIL, "not triggered: unsupported"),
    ],
)
def test_the_camera_answers_a_test_trigger(answers, stands: Status, words: str) -> None:
    check = line(table(Standing(answers=answers), test_camera=True), "camera")
    assert (check.status, words in check.text) == (stands, True)


def test_no_picture_is_taken_unasked() -> None:
    vehicle = Standing(answers={203: (0, told("CAMERA_FEEDBACK"))})
    assert line(table(vehicle), "camera").status is Status.UNKNOWN
    assert 203 not in [c for c, _ in vehicle.commands]


@pytest.mark.parametrize(
    ("card", "stands", "words"),
    [
        ({"status": 2, "available_capacity": 900.0}, Status.PASS, "944 MB are free, the pictures take 900 MB"),
        ({"status": 2, "available_capacity": 800.0}, Status.FAIL, "839 MB are free"),
        ({"status": 0, "available_capacity": 0.0}, Status.FAIL, "empty"),
        ({"status": 3, "available_capacity": 0.0}, Status.UNKNOWN, "does not tell"),
    ],
)
def test_the_card_holds_what_the_plan_will_write(card, stands: Status, words: str) -> None:
    vehicle = Standing(answers={512: (0, told("STORAGE_INFORMATION", **card))})
    check = line(table(vehicle, sortie=Sortie("S1", (), PLAN, 0.0, 0.0, 0.6, storage_mb=900.0)), "storage")
    assert (check.status, words in check.text) == (stands, True)


def hill(top_m: float) -> Terrain:
    """Ground at 1500 m with a ridge across the mission, 200 to 300 m north of home; cells of about 11 m."""
    grid = np.full((120, 20), 1500.0)
    north_deg = HOME[1] + 0.008
    rows = [round((north_deg - (HOME[1] + d / 111_000)) / 1e-4) for d in (300, 200)]
    grid[rows[0] : rows[1]] = top_m
    return Terrain(grid_m=grid, crs=pyproj.CRS("EPSG:4326"), transform=(1e-4, 0, HOME[0] - 1e-3, 0, -1e-4, north_deg))


@pytest.mark.parametrize(
    ("top_m", "home", "stands", "words"),
    [
        (1540.0, HOME, Status.PASS, "40 m above ground or higher"),
        (1570.0, HOME, Status.FAIL, "10 m above ground, at -2.33"),
        # Standing on the ridge, the whole mission is as much higher.
        (
            1570.0,
            (HOME[0], HOME[1] + 0.00225),
            Status.PASS,
            "80 m above ground or higher; the vehicle stands 70 m higher",
        ),
    ],
)
def test_the_mission_is_above_the_ground_from_where_the_vehicle_stands(top_m, home, stands, words) -> None:
    check = line(table(Standing(home=home), terrain=hill(top_m)), "terrain")
    assert (check.status, words in check.text) == (stands, True), check.text


def test_ground_that_is_not_known_is_said() -> None:
    short = replace(hill(1500.0), grid_m=hill(1500.0).grid_m.copy())
    short.grid_m[:60] = np.nan
    check = line(table(Standing(), terrain=short), "terrain")
    assert (check.status, "of it the ground is not" in check.text) == (Status.UNKNOWN, True)
