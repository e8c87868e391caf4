"""Signs of people, vehicles and fires, and carcasses: which labels they are, and how often they were seen."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from counts.report.facts import Facts
from counts.store import EstimateEntry
from flightplan.errors import CensusError

CARCASS, PEOPLE, VEHICLE, FIRE = KINDS = ("carcass", "people", "vehicle", "fire")

# What detectors call them, in the report's languages where it is no other word there.
_NAMES = {
    CARCASS: "carcass carcasses carcase carcases dead skeleton skeletons bones cadaver carcasse carcasses cadavre "
    "carcaça carcaca mzoga mizoga туша туши труп",
    PEOPLE: "person persons people human humans man men pedestrian poacher poachers herder herders personne personnes "
    "pessoa pessoas mtu watu человек люди",
    VEHICLE: "vehicle vehicles car cars truck trucks lorry bus van motorcycle motorcycles motorbike motorbikes bicycle "
    "tractor boat boats canoe pirogue véhicule vehicule veículo veiculo gari magari автомобиль машина",
    FIRE: "fire fires smoke burn burnt burning flame flames campfire feu incendie fogo incêndio пожар огонь",
}
_KIND_OF = {name: kind for kind, names in _NAMES.items() for name in names.split()}


@dataclass(frozen=True)
class Sign:
    """One label that is a sign: seen on effort, and the estimate where there is one."""

    kind: str
    label: str
    seen: int
    per_hour: float | None
    per_searched_km2: float | None
    estimate: EstimateEntry | None


@dataclass(frozen=True)
class CarcassRatio:
    """Dead over dead and alive. `species` None: of all animals together, and from numbers seen, not estimated.

    `lower` and `upper` are 95 % limits on the logit scale, None where not both numbers are estimates with an error.
    """

    species: str | None
    dead: float
    alive: float
    estimated: bool
    ratio: float
    lower: float | None
    upper: float | None

    @property
    def per_live(self) -> float | None:
        """Carcasses for each live animal; None where no animal was seen alive."""
        return self.dead / self.alive if self.alive else None


def kinds_of(labels: Iterable[str], said: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the labels that are signs, with their kind: as `said`, else by their names.

    A label is a sign when one of its words is a name of one ("elephant carcass", "dead_elephant"). A label that is
    `said` to be "animal" is none.
    """
    found = {}
    for label in labels:
        kind = (said or {}).get(label)
        if kind is None:
            words = [w for w in re.split(r"[\W_]+", label.casefold()) if w]
            kinds = {_KIND_OF[w] for w in words if w in _KIND_OF}
            kind = next((k for k in KINDS if k in kinds), None)
        if kind in KINDS:
            found[label] = str(kind)
    return found


def read_signs_asked(asked: Iterable[str]) -> dict[str, str]:
    """Read `KIND=LABEL`, as in "carcass=old bones", into label to kind. Raises CensusError for another kind."""
    found = {}
    for text in asked:
        kind, sign, label = text.partition("=")
        if not sign or kind not in (*KINDS, "animal") or not label:
            raise CensusError(
                f"no kind of sign: {text!r}", hint=f"As in carcass=LABEL; the kinds are {', '.join(KINDS)}, animal"
            )
        found[label] = kind
    return found


def signs(facts: Facts) -> tuple[Sign, ...]:
    """Return each sign of a survey, kind by kind."""
    kinds = facts.signs
    totals = {e.species: e for e in facts.totals()}
    hours, searched = facts.hours, sum(e.area_searched_m2 for e in facts.effort) / 1e6
    found = []
    for label, kind in sorted(kinds.items(), key=lambda item: (KINDS.index(item[1]), item[0])):
        seen = facts.seen_of(label)
        found.append(
            Sign(
                kind,
                label,
                seen,
                seen / hours if hours else None,
                seen / searched if searched else None,
                totals.get(label),
            )
        )
    return tuple(found)


def carcass_ratios(facts: Facts) -> tuple[CarcassRatio, ...]:
    """Return the carcass ratio of each species whose carcasses have a label of their own, else of all animals."""
    dead_labels = [label for label, kind in facts.signs.items() if kind == CARCASS]
    alive_labels = [name for name in facts.labels if name not in facts.signs]
    if not dead_labels or not alive_labels:
        return ()
    totals = {e.species: e for e in facts.totals()}
    found, rest = [], []
    for label in dead_labels:
        species = next((s for s in alive_labels if _names(label, s)), None)
        if species is None:
            rest.append(label)
            continue
        dead, alive = totals.get(label), totals.get(species)
        if dead is not None and alive is not None and dead.value is not None and alive.value is not None:
            found += _ratio(species, dead.value, alive.value, _log_se(dead, alive), estimated=True)
        else:
            found += _ratio(species, facts.seen_of(label), facts.seen_of(species), None, estimated=False)
    if rest:
        dead_seen, alive_seen = (sum(map(facts.seen_of, names)) for names in (dead_labels, alive_labels))
        found += _ratio(None, dead_seen, alive_seen, None, estimated=False)
    return tuple(found)


def _names(label: str, species: str) -> bool:
    own = re.split(r"[\W_]+", label.casefold())
    return all(word in own for word in re.split(r"[\W_]+", species.casefold()))


def _log_se(dead: EstimateEntry, alive: EstimateEntry) -> float | None:
    """The standard error of ln(dead / alive), the two taken as independent; None where one has no error."""
    if not dead.cv or not alive.cv:
        return None
    return math.hypot(dead.cv, alive.cv)


def _ratio(
    species: str | None, dead: float, alive: float, log_se: float | None, *, estimated: bool
) -> list[CarcassRatio]:
    if not dead + alive > 0:
        return []
    lower = upper = None
    if log_se is not None and dead > 0 and alive > 0:
        middle = math.log(dead / alive)
        lower, upper = (1 / (1 + math.exp(-(middle + sign * 1.96 * log_se))) for sign in (-1, 1))
    return [CarcassRatio(species, dead, alive, estimated, dead / (dead + alive), lower, upper)]
