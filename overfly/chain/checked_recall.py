"""How surely an animal in view is found, as people who checked a sample of frames saw: before who is who is told."""

from __future__ import annotations

import numpy as np
import shapely
from sqlalchemy.orm import Session

from counts.store.detections import DetectionTable
from counts.store.samples import first_counts, read_frames, read_sample
from flightplan.frames import Floats
from overfly.chain.ground import Ints
from overfly.chain.recall import BELIEVED, CHECKED, FEWEST_LOOKS, LEAST, LOOKS_BELIEVED, MOST, Recall
from overfly.chain.verifying import STRATA


def checked_recall(session: Session, sample_id: int, table: DetectionTable) -> dict[str, Recall]:
    """Return the recall of each label of which people saw `FEWEST_LOOKS` animals or more in a sample's frames.

    Found is what the detector has in the part of a frame where people counted, up to as many as they counted: which box
    is which animal nobody said. Frames weigh as they were drawn (a ratio of two stratified totals: Cochran 1977, 6.11).
    """
    counts = first_counts(session, sample_id)
    frames = [f for f in read_frames(session, sample_id) if f.frame_id in counts]
    sizes = read_sample(session, sample_id).parameters["sizes"]
    stratum = np.array([STRATA.index(f.entry.sample_stratum) for f in frames], dtype=np.int64)
    found: dict[str, Ints] = {name: np.zeros(len(frames), dtype=np.int64) for name in table.labels}
    centres = table.centres_px
    for i, frame in enumerate(frames):
        # Detections are in the order of their captures.
        first, last = np.searchsorted(table.capture_id, [frame.entry.capture_id, frame.entry.capture_id + 1])
        inside = np.arange(first, last)
        if frame.entry.zone_px is not None:
            # Rings in rings are holes. Pieces of ground that touch are no valid area, so each ring is asked by itself.
            # Without rings the line leaves the land there, and nothing was to be counted.
            held = np.zeros(len(inside), dtype=np.int64)
            for ring in frame.entry.zone_px:
                held += shapely.intersects_xy(shapely.Polygon(ring), centres[inside])
            inside = inside[held % 2 == 1]
        for name, number in zip(
            table.labels, np.bincount(table.label_ids[inside], minlength=len(table.labels)).tolist(), strict=True
        ):
            found[name][i] = number
    result = {}
    for name in table.labels:
        counted = np.array([name in counts[f.frame_id] for f in frames], dtype=np.bool_)
        there = np.array([counts[f.frame_id].get(name, 0) for f in frames], dtype=np.int64)
        if int(there.sum()) >= FEWEST_LOOKS:
            result[name] = checked_recall_of(
                np.minimum(found[name], there)[counted], there[counted], stratum[counted], (sizes[0], sizes[1])
            )
    return result


def checked_recall_of(found: Ints, there: Ints, stratum: Ints, sizes: tuple[int, int]) -> Recall:
    """Return the recall of one label, from what was found (n,) of what was there (n,) in frames of two strata.

    `stratum` (n,) is 0 where nothing was detected, else 1; `sizes` are how many frames there are of each.
    """
    drawn = np.maximum(np.bincount(stratum, minlength=2), 1)
    weight = (np.array(sizes) / drawn)[stratum]
    total = float((weight * there).sum())
    share = float((weight * found).sum()) / total
    animals = int(there.sum())
    value = float(np.clip((share * animals + LOOKS_BELIEVED * BELIEVED) / (animals + LOOKS_BELIEVED), LEAST, MOST))
    by_chance = float(np.sqrt(value * (1 - value) / (animals + LOOKS_BELIEVED)))
    by_frames = _error(found - share * there, stratum, sizes) / total
    return Recall(round(value, 4), round(max(by_chance, by_frames), 4), animals, CHECKED)


def _error(residual: Floats, stratum: Ints, sizes: tuple[int, int]) -> float:
    """The standard error of a stratified total of residuals (n,), which herds of hidden animals make large."""
    variance = 0.0
    for part, size in enumerate(sizes):
        mine = residual[stratum == part]
        if len(mine) > 1:
            variance += size**2 * (1 - len(mine) / max(size, len(mine))) * float(mine.var(ddof=1)) / len(mine)
    return float(np.sqrt(variance))
