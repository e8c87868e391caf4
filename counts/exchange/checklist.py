"""A checklist: what a label, a common name or a synonym is called in science, with its keys. It never guesses.

A CSV file with a line for each species. Columns, in any order and spelling of case:

    scientificName     the accepted name; the only one that has to be there
    vernacularName     common names and the labels of detectors, several divided by |
    synonyms           other scientific names, divided by |
    TSN, gbifKey       keys in ITIS and in GBIF's backbone (taxonKey and usageKey are read too)
    taxonRank, kingdom, family
    listed             what protects it (CITES I, Endangered, yes): its places are blurred with --blur-listed
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from counts.exchange.untrusted import as_text, check_row, content_hash, csv_rows, read_bytes
from counts.store.elsewhere import TaxonEntry
from flightplan.errors import Skip, UnreadableFileError

_MAX_BYTES = 1 << 26
_COLUMNS = {
    "scientific_name": ("scientificname", "acceptedname", "canonicalname"),
    "vernacular": ("vernacularname", "vernacularnames", "commonname", "label", "labels"),
    "synonyms": ("synonyms", "synonym"),
    "tsn": ("tsn", "itistsn"),
    "gbif_key": ("gbifkey", "gbiftaxonkey", "taxonkey", "usagekey", "gbifid"),
    "rank": ("taxonrank", "rank"),
    "kingdom": ("kingdom",),
    "family": ("family",),
    "listed": ("listed", "sensitive", "conservationstatus"),
}
_NO = frozenset({"", "no", "false", "0", "n"})


@dataclass(frozen=True)
class Checklist:
    """Species by their names. `source` is the file it came from; `skips` are the lines that could not be used."""

    taxa: tuple[TaxonEntry, ...]
    source: str
    content_hash: str | None = None
    skips: tuple[Skip, ...] = ()

    def __len__(self) -> int:
        return len(self.taxa)

    def resolve(self, names: Iterable[str]) -> Resolved:
        """Return the species that each name means. A name of two species means none: it is ambiguous.

        Names are compared without regard to case, accents' encoding and runs of spaces, and in nothing else. The
        accepted scientific name goes before synonyms and common names.
        """
        accepted: dict[str, list[TaxonEntry]] = {}
        other: dict[str, list[TaxonEntry]] = {}
        for taxon in self.taxa:
            accepted.setdefault(_folded(taxon.scientific_name), []).append(taxon)
            for name in dict.fromkeys(map(_folded, (*taxon.synonyms, *taxon.vernacular_names))):
                other.setdefault(name, []).append(taxon)
        known, unresolved = {}, []
        for name in dict.fromkeys(names):
            meant = accepted.get(_folded(name)) or other.get(_folded(name), [])
            if len(meant) == 1:
                known[name] = meant[0]
            elif meant:
                both = ", ".join(sorted(t.scientific_name for t in meant))
                unresolved.append(Skip(name, f"{self.source} has it for several species: {both}"))
            else:
                unresolved.append(Skip(name, f"{self.source} does not have it"))
        return Resolved(known, tuple(unresolved))


@dataclass(frozen=True)
class Resolved:
    """Species by the name they were asked for with, and the names that nobody can be sure of, each with its reason."""

    known: Mapping[str, TaxonEntry]
    unresolved: tuple[Skip, ...]


def read_checklist(path: Path) -> Checklist:
    """Read a checklist. A line without a name, with a key that is no number, or of a species named before, is skipped.

    Raises UnreadableFileError for a file that is no table or has no column scientificName.
    """
    content = read_bytes(path, _MAX_BYTES)
    rows = csv_rows(as_text(content, str(path)), str(path))
    columns = _columns(next(rows)[1])
    if "scientific_name" not in columns:
        raise UnreadableFileError(
            "this is no checklist: the column scientificName is missing",
            where=str(path),
            hint="Others are vernacularName, synonyms, TSN, gbifKey, taxonRank, kingdom, family, listed",
        )
    taxa: dict[str, TaxonEntry] = {}
    skips = []
    for line, cells in rows:
        try:
            taxon = _taxon(cells, columns)
            if _folded(taxon.scientific_name) in taxa:
                raise ValueError(f"{taxon.scientific_name} is on a line before it")
            taxa[_folded(taxon.scientific_name)] = taxon
        except ValueError as error:
            skips.append(Skip(f"line {line}", str(error)))
    return Checklist(tuple(taxa.values()), path.name, content_hash({path.name: content}), tuple(skips))


def _columns(header: Mapping[str, str]) -> dict[str, str]:
    """Return the file's own name of each column that is known."""
    found: dict[str, str] = {}
    for name in header:
        plain = "".join(c for c in name.casefold() if c.isalnum())
        for column, spellings in _COLUMNS.items():
            if plain in spellings:
                found.setdefault(column, name)
    return found


def _taxon(cells: Mapping[str, str], columns: Mapping[str, str]) -> TaxonEntry:
    check_row(cells)
    said = {column: cells[name] for column, name in columns.items()}
    if not said["scientific_name"]:
        raise ValueError("it has no scientific name")
    listed = said.get("listed", "")
    return TaxonEntry(
        scientific_name=" ".join(said["scientific_name"].split()),
        rank=said.get("rank") or None,
        vernacular_names=_names(said.get("vernacular", "")),
        synonyms=_names(said.get("synonyms", "")),
        tsn=_key(said.get("tsn", ""), "TSN"),
        gbif_key=_key(said.get("gbif_key", ""), "GBIF key"),
        kingdom=said.get("kingdom") or None,
        family=said.get("family") or None,
        listed=None if listed.casefold() in _NO else listed,
    )


def _names(cell: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(" ".join(name.split()) for name in cell.split("|") if name.strip()))


def _key(cell: str, what: str) -> int | None:
    if not cell:
        return None
    if not (cell.isascii() and cell.isdigit() and len(cell) < 16):
        raise ValueError(f"its {what} {cell[:40]!r} is no number")
    return int(cell)


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())
