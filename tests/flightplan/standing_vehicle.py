"""A vehicle that stands ready for a flight, as its messages tell, and the preflight of it."""

from types import SimpleNamespace

from flightplan.mission import FencePolygon, Mission, MissionItem
from flightplan.vehicle.autopilots import Dialect
from flightplan.vehicle.checks import Check, Preflight, Status
from flightplan.vehicle.items import FENCE, MISSION
from flightplan.vehicle.messages import CommandAnswer
from flightplan.vehicle.preflight import run_preflight
from flightplan.vehicle.setup import FlightSetup
from flightplan.vehicle.transfer import Holding, TransferEnd

PREARM = 1 << 28
HOME = (34.8333, -2.3333)
SAFE = {
    "FS_GCS_ENABLE": 1.0,
    "FS_GCS_TIMEOUT": 5.0,
    "FS_OPTIONS": 16.0,
    "MAV_GCS_SYSID": 255.0,
    "BATT_FS_LOW_ACT": 2.0,
    "BATT_LOW_VOLT": 10.5,
    "FENCE_ENABLE": 1.0,
    "FENCE_TYPE": 4.0,
    "FENCE_ACTION": 1.0,
    "RTL_ALT": 1500.0,
    "CAM1_TYPE": 1.0,
    "CAM1_INTRVAL_MIN": 0.0,
    "CAM1_TRIGG_DIST": 0.0,
    "ARMING_CHECK": 1.0,
}
PLAN = Mission(
    (
        MissionItem(22, 3, longitude_deg=HOME[0], latitude_deg=HOME[1], altitude_m=80.0),
        MissionItem(178, 2, (1, 10, -1, 0)),
        MissionItem(16, 3, longitude_deg=HOME[0], latitude_deg=HOME[1] + 0.001, altitude_m=80.0),
        MissionItem(206, 2, (25.0, 0, 1, 0)),
        MissionItem(16, 3, longitude_deg=HOME[0], latitude_deg=HOME[1] + 0.004, altitude_m=80.0),
        MissionItem(206, 2),
    ),
    home=HOME,
    fence=(FencePolygon(((34.8, -2.4), (34.9, -2.4), (34.9, -2.3)), True),),
)
HELD = {MISSION: TransferEnd(Holding.EXACTLY), FENCE: TransferEnd(Holding.EXACTLY)}


class Standing:
    """A vehicle on the ground, as its messages tell."""

    signing, vehicle_signs, is_doubled, system_id = None, False, False, 1
    listener = staticmethod(lambda message: None)

    def __init__(
        self,
        *,
        flags: int = 831,
        health: int = PREARM,
        battery: int = 98,
        parameters=None,
        home=HOME,
        vehicle_type: int = 2,
        autopilot: int = 3,
        complaints=(),
        answers=None,
        **latest,
    ) -> None:
        self.dialect = Dialect.of(SimpleNamespace(type=vehicle_type, autopilot=autopilot))
        self.is_ardupilot = self.dialect.is_ardupilot
        self.clock = SimpleNamespace(now_s=lambda: 1.8e9)
        self.latest = {
            "EKF_STATUS_REPORT": SimpleNamespace(flags=flags),
            "SYS_STATUS": SimpleNamespace(
                onboard_control_sensors_present=PREARM,
                onboard_control_sensors_health=health,
                battery_remaining=battery,
            ),
            "HOME_POSITION": SimpleNamespace(longitude=round(home[0] * 1e7), latitude=round(home[1] * 1e7)),
            "SYSTEM_TIME": SimpleNamespace(time_unix_usec=1.8e15 + 3e6),
            **latest,
        }
        self.commands = []
        self._parameters = SAFE if parameters is None else parameters
        self._complaints, self._answers = complaints, answers or {}

    def listen(self, listener):
        self.listener = listener
        return lambda: None

    def wait_until(self, predicate, timeout_s: float) -> bool:
        return predicate()

    def ask_again(self) -> None:
        """All that is told has been told."""

    def pause(self, seconds: float) -> None:
        for text in self._complaints:
            self.listener(SimpleNamespace(text=text, get_type=lambda: "STATUSTEXT"))

    def command(self, command: int, *params: float, **_) -> CommandAnswer:
        """Answer; what comes with an answer comes before it."""
        self.commands.append((command, params))
        result, told = self._answers.get(command, (3, None))
        if told is not None:
            self.latest[told.get_type()] = told
            self.listener(told)
        return CommandAnswer(result)

    def parameters(self, names) -> dict[str, float]:
        return {n: v for n, v in self._parameters.items() if n in names}


def table(
    vehicle: Standing, *, transfers=HELD, energy_share: float | None = 0.6, plan: Mission = PLAN, **setup
) -> Preflight:
    return run_preflight(vehicle, plan, transfers, setup=FlightSetup(**setup), energy_share=energy_share)


def status(preflight: Preflight) -> dict[str, Status]:
    return {c.name: c.status for c in preflight.checks}


def line(preflight: Preflight, name: str) -> Check:
    return next(c for c in preflight.checks if c.name == name)


def told(kind: str, **fields):
    return SimpleNamespace(get_type=lambda: kind, **fields)
