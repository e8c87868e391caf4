"""What is doubted about the poses of a flight, which captures it concerns, and what would put it right.

Whoever looks at a flight (its tracks and clocks, its pictures, its logs) says so with the same value, so that one place
applies repairs and one place records them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from detect.captures import Capture

YAW_FLIPPED = "yaw-flipped"
"""Some captures of a flight are turned by 180° against the others of their line."""

REPAIRED = "repaired: "
"""How the source of a repaired field begins; what it was before follows."""

_FIELDS = frozenset(f.name for f in fields(Capture)) - {"content_hash", "sources", "unknown", "findings"}


@dataclass(frozen=True)
class PoseFinding:
    """One doubt about captures of one flight.

    `kind` is a short name that does not change ("yaw-flipped"); `captures` are content hashes, in the order of the
    flight; `text` is one sentence that says what is wrong and what that rests on. `repair` gives, by field of
    `Capture`, the new value for each of `captures` (None: better unknown), or is None where nothing can be proposed;
    `sources` says by field where the new values come from, where they are not worked out from the old ones.
    `is_proved` says that the pictures, or two sources that do not depend on each other, agree on the repair: then it is
    applied unasked.
    """

    kind: str
    captures: tuple[str, ...]
    text: str
    repair: Mapping[str, tuple[Any, ...]] | None = None
    is_proved: bool = False
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, values in (self.repair or {}).items():
            if name not in _FIELDS:
                raise ValueError(f"{name!r} is no field of a capture that can be repaired")
            if len(values) != len(self.captures):
                raise ValueError(f"{len(values)} values of {name} for {len(self.captures)} captures")


@dataclass(frozen=True)
class Repair:
    """One field of one capture as it was and as it is now, and the kind of finding that it rests on.

    `source` is the field's source from now on, or why it is unknown.
    """

    kind: str
    capture: str
    field: str
    before: Any
    after: Any
    source: str = ""


def repaired(
    captures: Sequence[Capture], findings: Iterable[PoseFinding], *, kinds: Collection[str] = ()
) -> tuple[tuple[Capture, ...], tuple[Repair, ...]]:
    """Return the captures with repairs applied, in the order given, and what was changed.

    Applied are the proved findings and those of `kinds`. The first finding to repair a field of a capture keeps it. A
    repaired field's source begins with "repaired: " and goes on with its source before and the finding.
    """
    result = list(captures)
    places: dict[str, list[int]] = {}
    for index, capture in enumerate(captures):
        places.setdefault(capture.content_hash, []).append(index)
    done: dict[tuple[str, str], Repair] = {}
    for finding in findings:
        if finding.repair is None or not (finding.is_proved or finding.kind in kinds):
            continue
        for name, values in finding.repair.items():
            for content_hash, value in zip(finding.captures, values, strict=True):
                at = places.get(content_hash, [])
                if not at or (content_hash, name) in done:
                    continue
                before = getattr(result[at[0]], name)
                if before == value:
                    continue
                source = _source(result[at[0]], name, value, finding)
                done[content_hash, name] = Repair(finding.kind, content_hash, name, before, value, source)
                for index in at:
                    result[index] = with_repairs(result[index], [done[content_hash, name]])
    return tuple(result), tuple(done.values())


def with_repairs(capture: Capture, repairs: Iterable[Repair]) -> Capture:
    """Return a capture with its repairs, the last one of a field holding."""
    sources, unknown, values = dict(capture.sources), dict(capture.unknown), dict[str, Any]()
    for repair in repairs:
        values[repair.field] = repair.after
        sources.pop(repair.field, None)
        unknown.pop(repair.field, None)
        (unknown if repair.after is None else sources)[repair.field] = repair.source
    return replace(capture, **values, sources=sources, unknown=unknown)


def _source(capture: Capture, name: str, value: Any, finding: PoseFinding) -> str:
    if value is None:
        return f"{REPAIRED}{finding.text}"
    before, told = capture.sources.get(name), finding.sources.get(name)
    if told is None:
        return f"{REPAIRED}{before or 'unknown'}; {finding.kind}"
    return told if before is None else f"{REPAIRED}{told}, instead of {before}"
