"""Individuals as a patrol would report them: how many of a species at one place and moment."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from counts.exchange.records import SurveyRecords
from flightplan.errors import Skip


@dataclass(frozen=True)
class Group:
    """Animals of one species placed best by one picture; of a sensitive one, those of a cell and a day.

    The place is the mean of theirs. `time_utc` of a generalised group is the start of its day.
    """

    key: str
    species: str
    count: int
    longitude_deg: float
    latitude_deg: float
    time_utc: datetime
    generalised: bool
    transect: str | None
    sortie: str | None
    capture_id: int | None = None


def make_groups(records: SurveyRecords) -> tuple[tuple[Group, ...], tuple[Skip, ...]]:
    """Return the groups in the order of their time, and the individuals without one, which others cannot take."""
    members: dict[tuple[str, str], list[int]] = {}
    skips = []
    for row, animal in enumerate(records.individuals):
        if animal.day is None:
            name = animal.species if animal.number is None else f"individual {animal.number} ({animal.species})"
            skips.append(Skip(name, "the time it was seen is not known"))
            continue
        capture = None if animal.capture_id is None else records.captures[animal.capture_id].capture
        place = f"{animal.longitude_deg:.2f},{animal.latitude_deg:.2f},{animal.day}"
        members.setdefault((animal.species, place if capture is None else capture.content_hash), []).append(row)
    groups = []
    for (species, key), rows in members.items():
        animals = [records.individuals[row] for row in rows]
        first = animals[0]
        transects = Counter(a.transect for a in animals)
        groups.append(
            Group(
                key=f"{records.survey.name}/{species}/{key}",
                species=species,
                count=len(animals),
                longitude_deg=sum(a.longitude_deg for a in animals) / len(animals),
                latitude_deg=sum(a.latitude_deg for a in animals) / len(animals),
                time_utc=first.time_utc or datetime.fromisoformat(str(first.day)).replace(tzinfo=UTC),
                generalised=first.generalised,
                transect=transects.most_common(1)[0][0],
                sortie=None if first.capture_id is None else records.captures[first.capture_id].sortie,
                capture_id=first.capture_id,
            )
        )
    groups.sort(key=lambda g: (g.time_utc, g.species, g.key))
    return tuple(groups), tuple(skips)
