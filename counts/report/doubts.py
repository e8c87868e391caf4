"""What was doubted about the flights, and what of it was put right, as a report tells it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from counts.report.document import Block, Column, Heading, Row, Table
from counts.report.facts import Facts
from counts.report.words import Words
from detect.findings import REPAIRED


def doubts(facts: Facts, say: Words) -> Iterator[Block]:
    """Return a table of findings and one of repairs; nothing for what there is none of."""
    names = kind_names(say)
    if facts.findings:
        columns = (say._("Kind"), say._("What was found"), say._("Pictures"), say._("Repaired"))
        repaired = Counter(repair.kind for repair in facts.repairs)
        yield Heading(say._("What is doubted about the flights"))
        yield Table(
            tuple(map(Column.of, columns)),
            tuple(
                Row(
                    (
                        names.get(finding.kind, finding.kind),
                        say.stored(finding.text),
                        say.whole(len(finding.captures)),
                        say._("yes") if repaired[finding.kind] else say._("no"),
                    )
                )
                for finding in facts.findings
            ),
            words=True,
        )
    if facts.repairs:
        done = Counter((repair.kind, repair.field, repair.source) for repair in facts.repairs)
        columns = (say._("Kind"), say._("Field"), say._("Values repaired"), say._("From"))
        yield Heading(say._("What was repaired"))
        yield Table(
            tuple(map(Column.of, columns)),
            tuple(
                Row((names.get(kind, kind), name, say.whole(number), _source(source, names, say)))
                for (kind, name, source), number in sorted(done.items())
            ),
            words=True,
        )


def _source(source: str, names: Mapping[str, str], say: Words) -> str:
    """Where a repaired value comes from: the field it was read from, and the doubt that set it right."""
    if not source.startswith(REPAIRED):
        return say.stored(source)
    told = source.removeprefix(REPAIRED)
    before, _, kind = told.rpartition("; ")
    if kind in names:
        # Fields of files are called what they are called in the file.
        return say._("{source}, put right ({kind})", source=before, kind=names[kind])
    fresh, _, instead = told.partition(", instead of ")
    if instead:
        return say._("{source}, instead of {before}", source=say.stored(fresh), before=instead)
    return say._("now unknown, for: {reason}", reason=say.stored(told))


def kind_names(say: Words) -> dict[str, str]:
    """The kinds of findings (`detect`'s checks of flights) in words; another is told by its short name."""
    return {
        "boresight": say._("camera turned in its mount"),
        "clock-offset": say._("camera's clock is off"),
        "clock-reset": say._("camera's clock was reset"),
        "clock-stands": say._("camera's clock stands still"),
        "clock-step": say._("camera's clock steps"),
        "frames-missing": say._("pictures missing"),
        "frames-surplus": say._("too many pictures"),
        "ground-scale": say._("size of the ground against the height"),
        "height-against-pictures": say._("size of the ground against the height of single pictures"),
        "height-datum": say._("what heights are above"),
        "height-jump": say._("height steps"),
        "height-offset": say._("height is off"),
        "height-outlier": say._("height out of line"),
        "height-sign": say._("height's sign"),
        "log-matched": say._("matched with the flight's log"),
        "log-unmatched": say._("not found in the flight's log"),
        "picture-blurred": say._("pictures blurred"),
        "picture-cut-short": say._("pictures cut short"),
        "picture-exposure": say._("pictures too bright or too dark"),
        "picture-grey": say._("pictures with grey rows"),
        "picture-rewritten": say._("pictures rewritten by a program"),
        "pose-refined": say._("poses made better by overlapping pictures"),
        "yaw-flipped": say._("headings turned round"),
        "yaw-offset": say._("headings off"),
        "yaw-outlier": say._("headings out of line"),
        "yaw-reversed": say._("headings reversed"),
        "yaw-turned": say._("headings turned by a quarter"),
    }
