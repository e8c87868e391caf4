"""The vehicle: link, verified transfers, preflight, flight and its logs."""

from flightplan.vehicle.checks import Check, Preflight, Status
from flightplan.vehicle.effort import EffortMap, Gap
from flightplan.vehicle.flight import FlightResult, Outcome, fly_sortie, put
from flightplan.vehicle.link import Link
from flightplan.vehicle.logbook import Crew, read_logbook
from flightplan.vehicle.logs import FlightCapture, FlightEvent, read_captures
from flightplan.vehicle.preflight import run_preflight
from flightplan.vehicle.rules import AbortRules
from flightplan.vehicle.setup import FlightSetup
from flightplan.vehicle.signing import SigningKey
from flightplan.vehicle.transfer import Holding, Put, TransferEnd

__all__ = [
    "AbortRules",
    "Check",
    "Crew",
    "EffortMap",
    "FlightCapture",
    "FlightEvent",
    "FlightResult",
    "FlightSetup",
    "Gap",
    "Holding",
    "Link",
    "Outcome",
    "Preflight",
    "Put",
    "SigningKey",
    "Status",
    "TransferEnd",
    "fly_sortie",
    "put",
    "read_captures",
    "read_logbook",
    "run_preflight",
]
