"""The detector, how people found it, and what the count was corrected by."""

from __future__ import annotations

from collections.abc import Iterator

from counts.report.document import Block, Column, Glance, Heading, Paragraph, Row, Section, Table
from counts.report.facts import Facts
from counts.report.reviewing import Reviewing, Share
from counts.report.words import UNKNOWN, Words


def corrections_section(facts: Facts, say: Words) -> Iterator[Section]:
    """Corrections one by one, each with its source."""
    if not facts.corrections:
        return
    columns = (
        say._("Species"), say._("For"), say._("Factor"), say._("Variance"), say._("How"), say._("Source")
    )  # fmt: skip
    rows = []
    for c in facts.corrections:
        source = say.stored(c.source)
        if c.reason:
            source = say._("{source} ({reason})", source=source, reason=say.stored(c.reason))
        factor = say._("none") if c.factor is None else say.decimal(c.factor, 3)
        variance = say.significant(c.variance)
        rows.append(Row((c.species, say.stored_value(c.kind), factor, variance, say.stored_value(c.method), source)))
    text = say._(
        "Each estimate is the count scaled up to the area, times these factors. Their errors are in the limits."
    )
    if facts.mosaics is not None:
        text = say._("Each estimate is the count times these factors. Their errors are in the limits.")
    table = Table(tuple(map(Column.of, columns)), tuple(rows), words=True)
    yield Section(say._("Corrections"), (Paragraph(text, "soft"), table))


def detector_section(facts: Facts, say: Words) -> Iterator[Section]:
    """The detector: what it is, and how right it was in this survey."""
    run = facts.detection
    if run is None:
        return
    threshold = say._("not recorded") if run.threshold is None else say.significant(run.threshold)
    items = [
        (say._("Name"), run.detector.name),
        (say._("Score threshold"), threshold),
        (say._("Pictures searched"), say.whole(run.captures_done)),
        (say._("Detections"), say.whole(run.detections)),
    ]
    if facts.verification:
        frames = sum(facts.verification.frames.values())
        who = say.listed([say.stored_value(name) for name in facts.verification.who])
        checked = say._("Frames checked") if facts.mosaics is None else say._("Parts checked")
        items.append((checked, say._("{number} by {who}", number=say.whole(frames), who=who)))
        if facts.mosaics is not None:
            share = frames / facts.mosaics.parts if facts.mosaics.parts else None
            items.append((say._("Share of parts checked"), say.percent(share)))
        elif facts.captures.on_effort:
            items.append((say._("Share of frames checked"), say.percent(frames / facts.captures.on_effort)))
    reviewing = facts.reviewing
    if reviewing is not None:
        share = reviewing.judged / reviewing.detections if reviewing.detections else None
        judged = say._(
            "{number} of {whole} ({share})",
            number=say.whole(reviewing.judged),
            whole=say.whole(reviewing.detections),
            share=say.percent(share),
        )
        items.append((say._("Detections reviewed"), judged))
        if reviewing.reviewers:
            items.append((say._("Reviewers"), say.listed(list(reviewing.reviewers))))
    blocks: list[Block] = [Glance(tuple(items)), Paragraph(f"SHA-256 {run.detector.content_hash}", "hash")]
    if reviewing is not None:
        blocks += _rates(reviewing, say)
    yield Section(say._("Detector"), tuple(blocks))


def _rates(reviewing: Reviewing, say: Words) -> Iterator[Block]:
    tried = [r for r in reviewing.labels if r.kept.tried or r.found.tried or r.right.tried]
    if not tried:
        yield Paragraph(say._("Its precision and recall were not measured in this survey."))
        return
    columns = (
        say._("Label"), say._("Recall: found of those in the checked frames"),
        say._("Precision: right of those counted there"), say._("Precision: kept of those reviewed"),
    )  # fmt: skip
    yield Heading(say._("Precision and recall in this survey"))
    rows = (Row((r.label, _rate(r.found, say), _rate(r.right, say), _rate(r.kept, say))) for r in tried)
    yield Table(tuple(map(Column.of, columns)), tuple(rows))
    yield Paragraph(
        say._(
            "With Wilson's 95 % limits. In the checked frames each counts the smaller of what was there and what was "
            "counted. What people reviewed is no random choice where they began with the highest scores."
        ),
        "note",
    )


def _rate(share: Share, say: Words) -> str:
    if share.limits is None:
        return UNKNOWN
    return say._(
        "{share} ({lower} to {upper}); {hits} of {tried}",
        share=say.percent(share.share),
        lower=say.percent(share.limits[0]),
        upper=say.percent(share.limits[1]),
        hits=say.whole(share.hits),
        tried=say.whole(share.tried),
    )
