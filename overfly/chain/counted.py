"""What one counting of a survey found, and where it is in the census."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from counts.agreement import LineAgreement
from counts.herds import Herds
from counts.individuals import Counts
from counts.movement import Movement
from counts.store import CorrectionEntry, EstimateEntry
from overfly.chain.recall import Recall


@dataclass(frozen=True)
class Counted:
    """One counting: what it found, and where it is in the census.

    `estimates` are per species and stratum, then per species in all; empty without a design, and `reason` says so.
    `not_looked_at` captures wait for the detector: the run is not complete, and they are not in the area searched.
    `merge_counts` are, by label, the individuals as chosen, with all merged that could be one, and with none merged.
    `movement` is what walking does to them, where it was simulated; `identity` says how far off who is who may have
    them, and `recall` how surely an animal in view is found. `pair_answers` of people about pairs were heeded,
    but for those `pairs_contradicting` others; `ambiguous_pairs` wait for one. `mosaics` is what orthomosaics show,
    where the count is by those, and None where it is by pictures.
    """

    survey: str
    detection_run_id: int
    identity_run_id: int
    estimate_run_id: int
    captures: int
    on_effort: int
    off_effort: Mapping[str, int]
    detections: int
    sightings: int
    individuals: int
    individuals_off_design: int
    ambiguous_pairs: int
    merge_counts: Mapping[str, tuple[int, int, int]]
    untold: Mapping[str, int]
    area_searched_m2: float
    effort_notes: tuple[str, ...]
    flown: tuple[LineAgreement, ...]
    corrections: tuple[CorrectionEntry, ...]
    estimates: tuple[EstimateEntry, ...]
    verified_frames: int
    provenance_hash: str
    reason: str | None = None
    not_looked_at: int = 0
    herds: Mapping[str, Herds] = field(default_factory=dict)
    movement: Mapping[str, Movement] = field(default_factory=dict)
    pair_answers: int = 0
    pairs_contradicting: int = 0
    identity: Mapping[str, Counts] = field(default_factory=dict)
    recall: Mapping[str, Recall] = field(default_factory=dict)
    mosaics: Mapping[str, Any] | None = None
