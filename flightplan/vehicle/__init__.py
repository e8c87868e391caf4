"""The vehicle: link, verified transfers, preflight, flight and its logs."""

from flightplan.vehicle.effort import EffortMap, Gap
from flightplan.vehicle.flight import FlightResult, Outcome, fly_sortie, put
from flightplan.vehicle.link import Link
from flightplan.vehicle.logs import FlightCapture, FlightEvent, read_captures
from flightplan.vehicle.preflight import Check, Preflight, Status, run_preflight
from flightplan.vehicle.transfer import Holding, Put, TransferEnd

__all__ = [
    "Check",
    "EffortMap",
    "FlightCapture",
    "FlightEvent",
    "FlightResult",
    "Gap",
    "Holding",
    "Link",
    "Outcome",
    "Preflight",
    "Put",
    "Status",
    "TransferEnd",
    "fly_sortie",
    "put",
    "read_captures",
    "run_preflight",
]
