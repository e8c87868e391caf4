"""What people decide: about detections, about pairs that may be one animal, and in frames they check blind."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from counts.schema.base import Base, Key, parent


class Verdict(Base):
    """A person's decision about a detection. Append-only.

    `batch` is the same in all verdicts of one act (a bulk, a split); `request` is the caller's own name of the act, by
    which a repeated one is known; `undoes_id` is the verdict that an "undo" takes back.
    """

    __tablename__ = "verdicts"
    fid: Mapped[Key]
    detection_id: Mapped[int | None] = parent("detections", index=True)
    capture_id: Mapped[int] = parent("captures", index=True)
    action: Mapped[str]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    who: Mapped[str]
    time_utc: Mapped[datetime]
    person_id: Mapped[int | None] = parent("people", index=True)
    batch: Mapped[str | None] = mapped_column(index=True)
    request: Mapped[str | None] = mapped_column(index=True)
    undoes_id: Mapped[int | None] = parent("verdicts", index=True)
    note: Mapped[str | None]


class ReviewState(Base):
    """What the verdicts on a detection come to. Worked out from them; an unseen detection has no row.

    `run_id` is the run under review, also for what people drew over it; `label` and box are as they are now.
    """

    __tablename__ = "review_states"
    __table_args__ = (Index("ix_review_states_page", "run_id", "label", "score", "detection_id"),)
    fid: Mapped[Key]
    detection_id: Mapped[int] = parent("detections", unique=True)
    run_id: Mapped[int] = parent("detection_runs")
    capture_id: Mapped[int] = parent("captures", index=True)
    verdict_id: Mapped[int] = parent("verdicts", index=True)
    action: Mapped[str]
    label: Mapped[str]
    score: Mapped[float]
    x_min_px: Mapped[float]
    y_min_px: Mapped[float]
    x_max_px: Mapped[float]
    y_max_px: Mapped[float]


class Tally(Base):
    """How many detections of a run have this label, this score in whole percent and this state. Worked out from them.

    `state` is "unseen" or the action of the last verdict. Detections on refused captures are not in it.
    """

    __tablename__ = "tallies"
    __table_args__ = (UniqueConstraint("run_id", "label", "percent", "state"),)
    fid: Mapped[Key]
    run_id: Mapped[int] = parent("detection_runs")
    label: Mapped[str]
    percent: Mapped[int]
    state: Mapped[str]
    detections: Mapped[int]


class AmbiguousPair(Base):
    """Two detections of which an identity run could not tell whether they are one animal, and what it chose.

    The first detection has the lower key. `probability` is that of their being one, NULL where the method has none.
    """

    __tablename__ = "ambiguous_pairs"
    __table_args__ = (UniqueConstraint("identity_run_id", "first_id", "second_id"),)
    fid: Mapped[Key]
    identity_run_id: Mapped[int] = parent("identity_runs")
    first_id: Mapped[int] = parent("detections", index=True)
    second_id: Mapped[int] = parent("detections", index=True)
    together: Mapped[bool]
    distance_m: Mapped[float | None]
    probability: Mapped[float | None]
    reason: Mapped[str | None]


class PairDecision(Base):
    """A person's answer whether two detections are one animal: "same", "different", "unsure" or "undo". Append-only.

    It is about the detections, not about a run, so that every later identity run holds to it.
    """

    __tablename__ = "pair_decisions"
    __table_args__ = (Index("ix_pair_decisions_pair", "first_id", "second_id"),)
    fid: Mapped[Key]
    first_id: Mapped[int] = parent("detections")
    second_id: Mapped[int] = parent("detections", index=True)
    answer: Mapped[str]
    who: Mapped[str]
    time_utc: Mapped[datetime]
    person_id: Mapped[int | None] = parent("people", index=True)
    request: Mapped[str | None] = mapped_column(index=True)
    undoes_id: Mapped[int | None] = parent("pair_decisions", index=True)
    note: Mapped[str | None]


class Sample(Base):
    """A random sample of frames that people are to check. `parameters` holds the sizes of its strata and of the sample.

    `blind` says that nobody is shown what the detector, or another reviewer, found.
    """

    __tablename__ = "samples"
    __table_args__ = (UniqueConstraint("survey_id", "detection_run_id", "seed", "parameters"),)
    fid: Mapped[Key]
    survey_id: Mapped[int] = parent("surveys")
    detection_run_id: Mapped[int] = parent("detection_runs", index=True)
    identity_run_id: Mapped[int | None] = parent("identity_runs", index=True)
    seed: Mapped[int]
    parameters: Mapped[dict[str, Any]]
    blind: Mapped[bool]
    who: Mapped[str]
    time_utc: Mapped[datetime]


class SampleFrame(Base):
    """A frame of a sample, in the order of drawing; `zone_px` is what to count in, rings of [x, y] in pixels.

    Of a mosaic many parts are drawn, each a frame with a number `part`; 0 is a picture that is one frame.
    """

    __tablename__ = "sample_frames"
    __table_args__ = (UniqueConstraint("sample_id", "capture_id", "part"),)
    fid: Mapped[Key]
    sample_id: Mapped[int] = parent("samples")
    capture_id: Mapped[int] = parent("captures", index=True)
    part: Mapped[int] = mapped_column(server_default="0")
    position: Mapped[int]
    sample_stratum: Mapped[str]
    zone_px: Mapped[list[Any] | None]


class SampleAssignment(Base):
    """A frame that somebody is to check: `turn` 1 for the first reviewer, 2 for the second. Append-only."""

    __tablename__ = "sample_assignments"
    __table_args__ = (UniqueConstraint("sample_frame_id", "who"),)
    fid: Mapped[Key]
    sample_frame_id: Mapped[int] = parent("sample_frames")
    who: Mapped[str]
    turn: Mapped[int]
    time_utc: Mapped[datetime]


class SampleCount(Base):
    """How many of a species somebody counted in a sampled frame; their last one holds. Append-only.

    `marks_px` are the places, [x, y] in pixels, NULL where only a number was given.
    """

    __tablename__ = "sample_counts"
    __table_args__ = (Index("ix_sample_counts_frame", "sample_frame_id", "who", "species"),)
    fid: Mapped[Key]
    sample_frame_id: Mapped[int] = parent("sample_frames")
    species: Mapped[str]
    true_count: Mapped[int]
    marks_px: Mapped[list[Any] | None]
    who: Mapped[str]
    time_utc: Mapped[datetime]
    person_id: Mapped[int | None] = parent("people", index=True)
    request: Mapped[str | None] = mapped_column(index=True)
