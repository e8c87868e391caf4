"""The simulated vehicle beside a real ArduCopter: the same requests, the same answers, the same flight.

Each recording's requests are sent at their recorded vehicle times (which the recordings hold to a quarter of a second)
and the answers, texts, waypoint times, frames and paths are compared. What is known not to agree:

| recording | what differs | why |
|---|---|---|
| all | "SIM Hit ground at …" speed; firmware version texts; mAh of the battery text | another simulator's figures |
| mission_protocol | one MISSION_COUNT more in the recording | it answers a request that the recording does not hold |
| auto_start | "Arming motors" comes before "Mission: 1 Takeoff" | the real one takes a moment to arm |
| gps_loss | order of the two "stopped aiding"; where it lands | lanes of a real filter race; its drift without GPS |
| pause_resume | frames after the mode changes are up to 7 m along the line | commands known to 0.25 s at 10 m/s |
| fence_breach | the last of 19 frames, at the overshoot of home | 25.0 m from the one before, to the centimetre |
| any | fixed wing and PX4 | no recordings |

How far it is off, recording by recording, is on the page docs/simulator-conformance.md, which is held to it here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from sim.vehicle import Home, SimulatedVehicle, Wind

Row = dict[str, Any]
HOME = Home(lon=34.8333, lat=-2.3333, altitude_msl_m=1500.09)
SETUP = {
    "auto_start": {"AUTO_OPTIONS": 3},
    "battery_failsafe": {"BATT_FS_LOW_ACT": 2, "BATT_LOW_TIMER": 3},
    "gcs_failsafe": {"FS_GCS_ENABLE": 1},
    "fence_breach": {"FENCE_ENABLE": 1, "FENCE_TYPE": 4, "FENCE_ACTION": 1},
}
ALL = [
    "survey_flight", "survey_wind", "auto_start", "pause_resume", "battery_failsafe", "gcs_failsafe", "fence_breach",
    "gps_loss", "dist_vs_time_trigger", "denied", "mission_protocol",
]  # fmt: skip
METRES_PER_E7 = 0.0111319


@dataclass
class Pair:
    """A recording and the simulated vehicle's answer to its requests: (seconds, name, fields)."""

    real: list[tuple[float, str, Row]]
    simulated: list[tuple[float, str, Row]]
    path: np.ndarray

    def of(self, name: str) -> tuple[list[tuple[float, Row]], list[tuple[float, Row]]]:
        return [(t, d) for t, n, d in self.real if n == name], [(t, d) for t, n, d in self.simulated if n == name]


@pytest.fixture(scope="module")
def replay(recording: Callable[[str], list[Row]], station_class: type[Any]) -> Callable[[str], Pair]:
    """Send a recording's requests to a simulated vehicle, once each."""

    @cache
    def played(name: str) -> Pair:
        rows = recording(name)
        # ArduPilot's simulator filters its turbulence over some fifty of its steps: gusts of a tenth of a second.
        wind = Wind(8.0, 90.0, 0.5, 0.1) if name == "survey_wind" else None
        vehicle = SimulatedVehicle(HOME, wind=wind, parameters=SETUP.get(name))
        # The last heartbeat before the silence of gcs_failsafe came 5 s before its failsafe at 110.79 s.
        station = station_class(vehicle, heartbeat_phase_s=0.75)
        if name == "gcs_failsafe":
            station.silent = (105.9, 147.0)
        for row in rows:
            if row["dir"] == "tx":
                station.until(row["boot_ms"] / 1000 + 0.12)
                station.send(message_of(row))
        station.until(max(row["boot_ms"] for row in rows) / 1000)
        return Pair(
            [(row["boot_ms"] / 1000, row["msg"], row) for row in rows if row["dir"] == "rx"],
            [(t, m.get_type(), m.to_dict()) for t, m in station.heard],
            np.array(station.path),
        )

    return played


def message_of(row: Row) -> Any:
    kind = getattr(mav, f"MAVLink_{row['msg'].lower()}_message")
    values = [row.get(name, 0) for name in kind.fieldnames]
    if row["msg"] == "PARAM_SET":
        values[kind.fieldnames.index("param_id")] = row["param_id"].encode()
    return kind(*values)


ANSWERS = {
    "COMMAND_ACK": ("command", "result"),
    "MISSION_ACK": ("mission_type", "type"),
    "MISSION_COUNT": ("mission_type", "count"),
    "MISSION_REQUEST": ("mission_type", "seq"),
    "MISSION_ITEM_INT": ("seq", "frame", "command", "autocontinue", "param1", "param2", "param3", "param4", "x", "y"),
    "MISSION_ITEM_REACHED": ("seq",),
}


def answers(rows: list[tuple[float, str, Row]]) -> list[tuple[Any, ...]]:
    return [(name, *(row[field] for field in ANSWERS[name])) for _, name, row in rows if name in ANSWERS]


@pytest.mark.parametrize("name", ALL)
def test_it_gives_the_answers_of_the_real_one_in_their_order(replay: Callable[[str], Pair], name: str) -> None:
    pair = replay(name)
    real = answers(pair.real)
    if name == "mission_protocol":
        real.remove(("MISSION_COUNT", 0, 3))
    assert len(real) >= 13
    assert answers(pair.simulated) == real


def spoken(rows: list[tuple[float, str, Row]]) -> list[str]:
    texts = [row["text"] for _, name, row in rows if name == "STATUSTEXT"]
    texts = [re.sub(r"\d+ mAh", "N mAh", re.sub(r"ground at [\d.]+", "ground at N", text)) for text in texts]
    texts = [t for t in texts if t != "Arming motors" and not re.match(r"[0-9a-f]{32}|ArduCopter V|overfly", t)]
    lanes = [t for t in texts if t.endswith("stopped aiding")]
    return [t for t in texts if t not in lanes] + sorted(lanes)


@pytest.mark.parametrize("name", ALL)
def test_it_says_what_the_real_one_says(replay: Callable[[str], Pair], name: str) -> None:
    pair = replay(name)
    assert spoken(pair.simulated) == spoken(pair.real)
    armed = [row["text"] for _, n, row in pair.real if n == "STATUSTEXT"].count("Arming motors")
    assert [row["text"] for _, n, row in pair.simulated if n == "STATUSTEXT"].count("Arming motors") == armed


@pytest.mark.parametrize("name", ["survey_flight", "survey_wind", "auto_start", "pause_resume"])
def test_each_leg_takes_the_recorded_time(replay: Callable[[str], Pair], name: str) -> None:
    real, simulated = ([t for t, _ in rows] for rows in replay(name).of("MISSION_ITEM_REACHED"))
    # Leg times of the recordings are known to a quarter of a second at either end.
    for r, s in zip(np.diff(real), np.diff(simulated), strict=True):
        assert s == pytest.approx(r, rel=0.05, abs=0.4)
    assert simulated[-1] - simulated[0] == pytest.approx(real[-1] - real[0], rel=0.015)


FRAMES = {
    # Which frames of a recording do not hang on the quarter of a second in which a command came.
    "survey_flight": range(1, 49),
    "survey_wind": range(1, 49),
    "auto_start": range(1, 25),
    "pause_resume": [*range(1, 23), *range(47, 71)],
    "battery_failsafe": range(1, 6),
    "gcs_failsafe": range(1, 8),
    "fence_breach": range(1, 19),
    "gps_loss": range(1, 4),
    "dist_vs_time_trigger": range(1, 4),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames_are_taken_where_the_real_one_took_them(replay: Callable[[str], Pair], name: str) -> None:
    real, simulated = ({row["img_idx"]: row for _, row in rows} for rows in replay(name).of("CAMERA_FEEDBACK"))
    assert abs(len(real) - len(simulated)) <= (name == "fence_breach")
    for index in FRAMES[name]:
        r, s = real[index], simulated[index]
        away_m = math.hypot(r["lat"] - s["lat"], r["lng"] - s["lng"]) * METRES_PER_E7
        assert away_m < 2.0, f"frame {index} is {away_m:.1f} m off"
        assert s["alt_rel"] == pytest.approx(r["alt_rel"], abs=0.5)


@pytest.mark.parametrize("name", ["survey_flight", "auto_start"])
def test_frames_tell_the_attitude_of_the_airframe(replay: Callable[[str], Pair], name: str) -> None:
    real, simulated = replay(name).of("CAMERA_FEEDBACK")
    for (_, r), (_, s) in zip(real, simulated, strict=True):
        assert s["pitch"] == pytest.approx(r["pitch"], abs=3.0)
        assert s["roll"] == pytest.approx(r["roll"], abs=3.0)
        assert (s["yaw"] - r["yaw"] + 180) % 360 - 180 == pytest.approx(0.0, abs=3.0)


@pytest.mark.parametrize(
    "name",
    ["survey_flight", "survey_wind", "auto_start", "battery_failsafe", "gcs_failsafe", "fence_breach",
     "dist_vs_time_trigger"],
)  # fmt: skip
def test_it_flies_the_recorded_path(replay: Callable[[str], Pair], name: str) -> None:
    away_m = off_path(replay(name))
    assert len(away_m) > 100
    assert max(away_m) < 5.0


# --- the page that tells how well it agrees ---------------------------------------------------------------------------

PAGE = Path(__file__).resolve().parents[2] / "docs" / "simulator-conformance.md"


def measured(name: str, pair: Pair) -> list[str]:
    """Return the cells of a recording's row on the page."""
    answered, said = len(answers(pair.real)), len(spoken(pair.real))
    real, simulated = ([t for t, _ in rows] for rows in pair.of("MISSION_ITEM_REACHED"))
    legs = list(zip(np.diff(real), np.diff(simulated), strict=True))
    off = [abs(s - r) for r, s in legs]
    whole = abs((simulated[-1] - simulated[0]) / (real[-1] - real[0]) - 1) if len(legs) > 1 else math.nan
    there, here = ({row["img_idx"]: row for _, row in rows} for rows in pair.of("CAMERA_FEEDBACK"))
    away = [
        math.hypot(there[i]["lat"] - here[i]["lat"], there[i]["lng"] - here[i]["lng"]) * METRES_PER_E7
        for i in FRAMES.get(name, there.keys() & here.keys())
    ]
    path = off_path(pair)
    return [
        name,
        str(answered),
        str(said),
        f"{max(off):.1f}" if off else "-",
        f"{100 * whole:.1f}" if not math.isnan(whole) else "-",
        f"{len(away)} of {len(there)}" if there else "-",
        f"{max(away):.1f}" if away else "-",
        f"{max(path):.1f}" if path else "-",
    ]


def off_path(pair: Pair) -> list[float]:
    """How far the recorded places in the air are from the simulated path."""
    scale = np.array([METRES_PER_E7, METRES_PER_E7 * math.cos(math.radians(HOME.lat)), 0.001])
    flown = [
        np.array([row["lat"] - HOME.lat * 1e7, row["lon"] - HOME.lon * 1e7, row["relative_alt"]]) * scale
        for t, n, row in pair.real
        if n == "GLOBAL_POSITION_INT" and t > 59 and t % 1.0 < 0.3
    ]
    return [float(np.linalg.norm(pair.path[:, 1:] - point, axis=1).min()) for point in flown]


def test_the_page_tells_how_far_it_is_off(replay: Callable[[str], Pair]) -> None:
    rows = {name: measured(name, replay(name)) for name in ALL}
    written = {
        cells[0]: cells
        for cells in ([c.strip() for c in line.strip("| \n").split("|")] for line in PAGE.read_text().splitlines())
        if cells[0] in rows and len(cells) == len(rows[cells[0]])
    }
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in rows.values())
    assert written.keys() == rows.keys(), f"the table should be\n{table}"
    for name, cells in rows.items():
        for told, found in zip(written[name], cells, strict=True):
            if found.replace(".", "").isdigit():
                assert float(told) == pytest.approx(float(found), abs=0.15), f"{name}; the table should be\n{table}"
            else:
                assert told == found, f"{name}; the table should be\n{table}"
