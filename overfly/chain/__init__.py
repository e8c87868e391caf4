"""The chain: pictures into the census, then detections, sightings, individuals and estimates."""

from overfly.chain.counted import Counted
from overfly.chain.counting import count_survey
from overfly.chain.detecting import Detected, detect_survey
from overfly.chain.ingesting import Ingested, ingest
from overfly.chain.verifying import FrameToCheck, Verifier

__all__ = [
    "Counted",
    "Detected",
    "FrameToCheck",
    "Ingested",
    "Verifier",
    "count_survey",
    "detect_survey",
    "ingest",
]
