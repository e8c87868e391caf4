"""What labels are called in science, said by hand or by a checklist, and the licences that data can carry."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from counts.exchange.checklist import Checklist
from counts.exchange.exported import ExportOptions
from counts.exchange.records import SurveyRecords, gather
from counts.store.elsewhere import TaxonEntry, read_taxa
from flightplan.errors import CensusError, Skip


@dataclass(frozen=True)
class Licence:
    """A licence of Creative Commons: what GBIF publishes under."""

    identifier: str
    name: str
    url: str


LICENCES = {
    licence.identifier: licence
    for licence in (
        Licence(
            "CC0-1.0",
            "Creative Commons Zero v1.0 Universal",
            "http://creativecommons.org/publicdomain/zero/1.0/legalcode",
        ),
        Licence(
            "CC-BY-4.0",
            "Creative Commons Attribution 4.0 International",
            "http://creativecommons.org/licenses/by/4.0/legalcode",
        ),
        Licence(
            "CC-BY-NC-4.0",
            "Creative Commons Attribution Non Commercial 4.0 International",
            "http://creativecommons.org/licenses/by-nc/4.0/legalcode",
        ),
    )
}
"""By the identifiers of SPDX."""


@dataclass(frozen=True)
class Names:
    """The species of each label that is known, and the labels that are not, each with its reason."""

    known: dict[str, TaxonEntry]
    unresolved: tuple[Skip, ...]

    def scientific(self, label: str) -> str | None:
        """Return a label's scientific name, None where it is not known."""
        taxon = self.known.get(label)
        return taxon.scientific_name if taxon else None


def resolve_names(labels: Iterable[str], options: ExportOptions) -> Names:
    """Return what labels mean: a name said by hand goes first, and has the checklist's keys where it has it."""
    checklist = options.checklist or Checklist((), "the checklist")
    wanted = list(dict.fromkeys(labels))
    by_hand = checklist.resolve(options.taxa.values()).known
    said = {label: by_hand.get(name, TaxonEntry(name)) for label, name in options.taxa.items()}
    resolved = checklist.resolve(label for label in wanted if label not in said)
    if options.checklist is None:
        unresolved = tuple(Skip(s.item, "no scientific name given") for s in resolved.unresolved)
    else:
        unresolved = resolved.unresolved
    return Names({**resolved.known, **said}, unresolved)


def gather_named(
    session: Session, survey_name: str, sensitive: Collection[str], options: ExportOptions
) -> tuple[SurveyRecords, ExportOptions]:
    """Read a survey with the checklist that the census has where none is named, and hide what is sensitive by it.

    Raises CensusError where listed species are to be blurred and no checklist says which are.
    """
    if options.checklist is None:
        taxa = read_taxa(session)
        options = replace(options, checklist=Checklist(taxa, "the census' checklist") if taxa else None)
    checklist = options.checklist
    if options.blur_listed and checklist is None:
        raise CensusError(
            "there is no checklist that lists species", hint="Name one with --checklist, or import one into the census"
        )

    def listed(labels: Collection[str]) -> Collection[str]:
        names = resolve_names(sorted(labels), options).known
        return {label for label, taxon in names.items() if label in labels and taxon.listed}

    return gather(session, survey_name, sensitive, listed if options.blur_listed else None), options


def find_licence(identifier: str | None) -> Licence | None:
    """Return a licence by its SPDX identifier, None for none. Raises CensusError for one that there is not."""
    if identifier is None:
        return None
    if identifier not in LICENCES:
        raise CensusError(f"there is no licence {identifier!r}", hint=f"There are: {', '.join(LICENCES)}")
    return LICENCES[identifier]
