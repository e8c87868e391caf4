"""Whether the vehicle itself is ready: position, its own checks, battery, home, camera, storage, ground, clock."""

from __future__ import annotations

from collections.abc import Sequence

import pyproj

from flightplan.errors import PlanError
from flightplan.ground import GroundUnder, height_over_ground
from flightplan.mission import Mission
from flightplan.vehicle.autopilots import Airframe, Firmware
from flightplan.vehicle.checks import Check, Status
from flightplan.vehicle.ground_clearance import ground_clearance
from flightplan.vehicle.link import Link
from flightplan.vehicle.needs import failed, passed, unknown
from flightplan.vehicle.setup import FlightSetup

_GEOD = pyproj.Geod(ellps="WGS84")
_HORIZONTAL, _PREDICTED_HORIZONTAL = 16, 512
PREARM_BIT = 1 << 28
HOME_REACH_M = 500.0
BATTERY_RESERVE = 0.15
CLOCK_APART_S = 10.0
LEAST_CLEARANCE_M = 20.0
SAME_PLACE_M = 30.0
_LEAST_FIX = 3
_EARLIEST_UTC_US = 1e15
_STORAGE_READY, _STORAGE_UNSUPPORTED = 2, 3
_STORAGE_WORDS = {0: "empty", 1: "not formatted"}
_SHOOT, _START_CAPTURE, _REQUEST_MESSAGE, _STORAGE_INFORMATION = 203, 2000, 512, 261
CAMERA_MESSAGES = frozenset({"CAMERA_FEEDBACK", "CAMERA_IMAGE_CAPTURED", "CAMERA_TRIGGER"})


def has_position(link: Link) -> bool:
    """Whether the estimator (ArduPilot's or PX4's, the bits are the same) has a horizontal position."""
    ekf = link.latest.get("EKF_STATUS_REPORT") or link.latest.get("ESTIMATOR_STATUS")
    return ekf is not None and bool(ekf.flags & _HORIZONTAL) and bool(ekf.flags & _PREDICTED_HORIZONTAL)


def check_aircraft(link: Link, setup: FlightSetup) -> Check:
    """Check that this is the kind of aircraft that the plan was made for, of a make that we can fly."""
    name, dialect = "aircraft", link.dialect
    said = f"{dialect.firmware}, {dialect.airframe}"
    if link.is_doubled:
        text = f"two vehicles speak as system {link.system_id}, and both would obey"
        return Check(name, Status.FAIL, text, "Give each an id of its own, or connect to one of them.", binding=True)
    if dialect.firmware is Firmware.OTHER or dialect.airframe is Airframe.OTHER:
        return Check(name, Status.FAIL, said, "Fly it with its own ground station.", binding=True)
    if setup.drone is not None:
        multirotor = dialect.airframe is Airframe.MULTIROTOR
        if multirotor != (setup.drone.kind == Airframe.MULTIROTOR):
            text = f"the plan is for {setup.drone.name}, {setup.drone.kind}; this is {said}"
            return failed(name, text, remedy="Plan again for this aircraft.")
    return passed(name, said)


def check_signing(link: Link) -> Check:
    """Check that a vehicle that signs will believe us."""
    if link.signing is not None:
        return passed("signing", "what the vehicle says is signed, and so is what it is told")
    if link.vehicle_signs:
        text = "the vehicle signs what it says, and may not believe us"
        return failed("signing", text, remedy="Give its key with --signing-key FILE.")
    return passed("signing", "the link is not signed")


def check_position(link: Link) -> Check:
    """Check the position estimate, and the fix behind it."""
    gps = link.latest.get("GPS_RAW_INT")
    fix = "" if gps is None else f"; {gps.satellites_visible} satellites"
    if "EKF_STATUS_REPORT" not in link.latest and "ESTIMATOR_STATUS" not in link.latest:
        place = link.latest.get("GLOBAL_POSITION_INT")
        if not link.is_ardupilot and place is not None and (place.lat or place.lon):
            return passed("position", f"the vehicle reports its position{fix}")
        return failed("position", "no position estimate was reported", remedy="Wait for the GPS, in the open.")
    if not has_position(link):
        text = f"there is no horizontal position estimate{fix}"
        return failed("position", text, remedy="Wait for the GPS, in the open.")
    if gps is not None and gps.fix_type < _LEAST_FIX:
        return failed("position", f"the GPS has no fix in three dimensions{fix}", remedy="Wait for it, in the open.")
    return passed("position", f"the position estimate is good{fix}")


def check_prearm(link: Link, said: Sequence[str]) -> Check:
    """Check the vehicle's own checks; `said` are its complaints."""
    status = link.latest.get("SYS_STATUS")
    if status is None:
        return unknown("prearm", "the vehicle did not report its own checks")
    if not status.onboard_control_sensors_present & PREARM_BIT:
        return unknown("prearm", "the vehicle does not report its own checks")
    if status.onboard_control_sensors_health & PREARM_BIT:
        return passed("prearm", "the vehicle's own checks pass")
    words = "; ".join(said) or "the vehicle's own checks do not pass"
    return failed("prearm", words, remedy="Put right what the vehicle complains of.")


def check_battery(link: Link, energy_share: float | None) -> Check:
    """Check the charge against what the sortie needs and a reserve."""
    status = link.latest.get("SYS_STATUS")
    if status is None or status.battery_remaining < 0:
        return unknown("battery", "the vehicle does not report its charge")
    charge = status.battery_remaining / 100
    if energy_share is None:
        return unknown("battery", f"charge {charge:.0%}; what the flight needs is not planned")
    if charge >= min(energy_share + BATTERY_RESERVE, 1.0):
        return passed("battery", f"charge {charge:.0%}, the flight needs {energy_share:.0%}")
    text = f"charge {charge:.0%}, the flight needs {energy_share:.0%} and {BATTERY_RESERVE:.0%} of reserve"
    return failed("battery", text, remedy="Fly with a full battery.")


def whereabouts(link: Link) -> tuple[float, float] | None:
    """Return where the vehicle stands, (longitude, latitude); None when it has not told."""
    home, place = link.latest.get("HOME_POSITION"), link.latest.get("GLOBAL_POSITION_INT")
    if place is not None and (place.lat or place.lon):
        return place.lon / 1e7, place.lat / 1e7
    if home is not None and (home.latitude or home.longitude):
        return home.longitude / 1e7, home.latitude / 1e7
    return None


def check_home(link: Link, mission: Mission) -> Check:
    """Check that the vehicle stands within reach of the plan's home."""
    here = whereabouts(link)
    if here is None:
        return unknown("home", "the vehicle has not told where it stands")
    planned = mission.home or next(
        (
            (i.longitude_deg, i.latitude_deg)
            for i in mission.items
            if i.longitude_deg is not None and i.latitude_deg is not None
        ),
        None,
    )
    if planned is None:
        return unknown("home", "the plan has no home")
    _, _, distance_m = _GEOD.inv(here[0], here[1], planned[0], planned[1])
    if distance_m <= HOME_REACH_M:
        return passed("home", f"the vehicle stands {distance_m:.0f} m from the plan's home")
    text = f"the vehicle stands {distance_m / 1000:.1f} km from the plan's home"
    return failed("home", text, remedy="Go to the launch site of the plan, or plan again from here.")


def check_ground(link: Link, mission: Mission, setup: FlightSetup) -> Check:
    """Check that the mission is above the ground when it starts from where the vehicle stands."""
    name, here = "terrain", whereabouts(link)
    kept = None if setup.sortie is None else setup.sortie.ground
    if setup.terrain is None and kept is None:
        return unknown(name, "no elevation model was named: height above ground was not checked from here")
    if here is None:
        return unknown(name, "the vehicle has not told where it stands")
    if setup.terrain is None:
        assert kept is not None
        return _check_kept_ground(mission, kept, here)
    place = link.latest.get("GLOBAL_POSITION_INT")
    found = ground_clearance(mission, setup.terrain, here, None if place is None else place.alt / 1000)
    if found is None:
        return unknown(name, "the elevation model does not know the ground here, or under the mission")
    text = f"the mission is {found.least_m:.0f} m above ground or higher"
    if found.shift_m is not None and abs(found.shift_m) >= 1.0:
        text += (
            f"; the vehicle stands {abs(found.shift_m):.0f} m {'higher' if found.shift_m > 0 else 'lower'} than planned"
        )
    if found.least_m < LEAST_CLEARANCE_M:
        lon, lat = found.place
        text = f"{text.replace(' or higher', '')}, at {lat:.5f}, {lon:.5f}"
        return failed(name, text, remedy="Start where the plan does, or plan again from here.")
    if found.unknown_share > 0:
        return unknown(name, f"{text}, where known: for {found.unknown_share:.0%} of it the ground is not")
    return passed(name, text)


def _check_kept_ground(mission: Mission, kept: GroundUnder, here: tuple[float, float]) -> Check:
    """Check a mission against the ground that its plan kept, which is right from the plan's own home only."""
    name = "terrain"
    apart_m = None if mission.home is None else float(_GEOD.inv(*here, *mission.home)[2])
    if apart_m is None or apart_m > SAME_PLACE_M:
        return unknown(name, "the vehicle does not stand at the plan's home, and no elevation model was named")
    try:
        found = height_over_ground(mission, kept)
    except PlanError as error:
        return unknown(name, error.what)
    if found is None:
        return unknown(name, "the plan kept no ground under this mission")
    text = f"by the ground that the plan kept, the mission is {found.least_agl_m:.0f} m above it"
    if found.least_agl_m < LEAST_CLEARANCE_M:
        return failed(name, f"{text} on the way to item {found.item}", remedy="Plan it again, higher.")
    return passed(name, f"{text} or higher")


def check_camera(link: Link, setup: FlightSetup) -> Check:
    """Have the camera take a picture on the ground, and wait for it to be told."""
    name = "camera"
    if not setup.test_camera:
        return unknown(name, "no test picture was asked for")
    came: list[str] = []
    stop = link.listen(lambda m: came.append(m.get_type()) if m.get_type() in CAMERA_MESSAGES else None)
    try:
        answer = link.command(_SHOOT, 0, 0, 0, 0, 1)
        if not answer.accepted:  # a camera of its own, beside the autopilot
            picture = link.command(_START_CAPTURE, 0, 0, 1, 1, component=0, tries=1)
            answer = picture if picture.accepted else answer
        heard = answer.accepted and link.wait_until(lambda: bool(came), 6.0)
    finally:
        stop()
    if not answer.accepted:
        return failed(name, f"it was not triggered: {answer.words}", remedy="Look at the camera and its set-up.")
    if not heard:
        text = "it was triggered, and nothing came back"
        return failed(name, text, remedy="Is it on, and does its feedback reach the autopilot?")
    told = "the autopilot fired the trigger" if came[0] == "CAMERA_TRIGGER" else "a test picture was reported"
    return passed(name, told)


def check_storage(link: Link, setup: FlightSetup) -> Check:
    """Ask the camera for its card, and hold what is free against what the plan will write."""
    name = "storage"
    link.command(_REQUEST_MESSAGE, _STORAGE_INFORMATION, tries=1, timeout_s=1.5, listen_s=0.0, component=0)
    link.wait_until(lambda: "STORAGE_INFORMATION" in link.latest, 1.0)
    card = link.latest.get("STORAGE_INFORMATION")
    if card is None or card.status == _STORAGE_UNSUPPORTED:
        return unknown(name, "the camera does not tell how much its card holds")
    if card.status != _STORAGE_READY:
        words = _STORAGE_WORDS.get(card.status, f"in state {card.status}")
        return failed(name, f"the camera's card is {words}", remedy="Put in a formatted card.")
    need_mb = setup.sortie.storage_mb if setup.sortie is not None else None
    free_mb = card.available_capacity * 1.048576  # told in MiB
    if need_mb is None:
        return unknown(name, f"{free_mb:.0f} MB are free; how much the pictures take is not planned")
    if free_mb >= need_mb:
        return passed(name, f"{free_mb:.0f} MB are free, the pictures take {need_mb:.0f} MB")
    return failed(name, f"{free_mb:.0f} MB are free, the pictures take {need_mb:.0f} MB", remedy="Empty the card.")


def check_remote_id(link: Link) -> Check:
    """Look at what a Remote ID transmitter says, where there is one."""
    status = link.latest.get("OPEN_DRONE_ID_ARM_STATUS")
    if status is None:
        return unknown("remote-id", "no Remote ID transmitter is heard")
    if status.status == 0:
        return passed("remote-id", "Remote ID is ready")
    words = status.error if isinstance(status.error, str) else bytes(status.error).decode(errors="replace")
    text = f"Remote ID is not ready: {words.rstrip(chr(0)) or 'it does not say why'}"
    return failed("remote-id", text, remedy="Put it right; where the law asks for it, it may not fly without.")


def check_clock(link: Link, setup: FlightSetup) -> Check:
    """Hold the vehicle's clock against ours: pictures and logs are matched by time."""
    told = link.latest.get("SYSTEM_TIME")
    if told is None or told.time_unix_usec < _EARLIEST_UTC_US:
        return unknown("clock", "the vehicle does not know the time yet")
    if setup.simulated:
        return unknown("clock", "a simulated vehicle keeps its own time")
    apart_s = abs(told.time_unix_usec / 1e6 - link.clock.now_s())
    if apart_s <= CLOCK_APART_S:
        return passed("clock", f"the vehicle's clock and ours are {apart_s:.0f} s apart")
    text = f"the vehicle's clock and this computer's are {apart_s:.0f} s apart"
    return failed("clock", text, remedy="Set this computer's clock: the vehicle has its own from the GPS.")
