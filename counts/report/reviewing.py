"""What people said of the detector in this survey: how much they saw, and how often it was right."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from counts.estimators import wilson_interval
from counts.schema import Capture, Detection, ReviewState, Verdict
from counts.store.identity import VerificationEntry, read_verification
from counts.store.verdicts import COUNTED, REJECT


@dataclass(frozen=True)
class Share:
    """`hits` of `tried`, with Wilson's 95 % limits where anything was tried."""

    hits: int
    tried: int

    @property
    def share(self) -> float | None:
        """Hits over tried; None where nothing was."""
        return self.hits / self.tried if self.tried else None

    @property
    def limits(self) -> tuple[float, float] | None:
        """Lower and upper limit."""
        return wilson_interval(self.hits, self.tried) if self.tried else None


@dataclass(frozen=True)
class LabelReview:
    """The detector on one label.

    `kept` is of the detections that people judged. `found` is of the animals that stood in the checked frames, and
    `right` of those that the census counted there: in each frame the smaller of both numbers, so that what was made up
    in one does not fill in for what was missed in another.
    """

    label: str
    kept: Share
    found: Share
    right: Share


@dataclass(frozen=True)
class Reviewing:
    """What was reviewed: `judged` of all `detections` of the run, by whom, and how it went by label."""

    judged: int
    detections: int
    reviewers: tuple[str, ...]
    labels: tuple[LabelReview, ...]


def read_reviewing(session: Session, run_id: int, identity_run_id: int | None, labels: tuple[str, ...]) -> Reviewing:
    """Read what people decided on a run's detections, and what they counted in the checked frames."""
    kept = _kept(session, run_id)
    entries = () if identity_run_id is None else read_verification(session, identity_run_id)
    named = list(dict.fromkeys([*labels, *sorted(kept), *(e.species for e in entries)]))
    counted = (
        select(func.count()).select_from(Detection).join(Capture, Detection.capture_id == Capture.fid)
    ).where(Detection.run_id == run_id, Capture.refused.is_(None))  # fmt: skip
    who = (
        select(Verdict.who)
        .join(ReviewState, ReviewState.detection_id == Verdict.detection_id)
        .where(ReviewState.run_id == run_id)
        .distinct()
        .order_by(Verdict.who)
    )
    return Reviewing(
        judged=sum(share.tried for share in kept.values()),
        detections=session.scalars(counted).one(),
        reviewers=tuple(session.scalars(who)),
        labels=tuple(_label(label, kept.get(label, Share(0, 0)), entries) for label in named),
    )


def _label(label: str, kept: Share, entries: tuple[VerificationEntry, ...]) -> LabelReview:
    own = [e for e in entries if e.species == label]
    both = sum(min(e.true_count, e.census_count) for e in own)
    return LabelReview(
        label, kept, Share(both, sum(e.true_count for e in own)), Share(both, sum(e.census_count for e in own))
    )


def _kept(session: Session, run_id: int) -> dict[str, Share]:
    """Of what the detector called a label: how many people left so, of how many they judged."""
    same = ReviewState.label == Detection.label
    hits = func.sum(case((same & ReviewState.action.in_(COUNTED), 1), else_=0))
    query = (
        select(Detection.label, hits, func.count())
        .join(ReviewState, ReviewState.detection_id == Detection.fid)
        .where(Detection.run_id == run_id, ReviewState.action.in_((*COUNTED, REJECT)))
        .group_by(Detection.label)
    )
    return {label: Share(int(right), int(tried)) for label, right, tried in session.execute(query)}
