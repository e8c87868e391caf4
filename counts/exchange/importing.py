"""What others observed, into the census: each standard read, checked, and written once.

    import_standard(census, "movebank", Path("study.csv"), now=datetime.now(UTC))

The same content again is found by its hash and adds nothing; a newer download of the same study, site or project adds
what is new in it. Rows that cannot be used are skipped by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.orm import Session

from counts import store
from counts.census import Census
from counts.exchange.attachments import write_attachments
from counts.exchange.camtrapdp import read_camtrap_dp
from counts.exchange.checklist import Checklist, read_checklist
from counts.exchange.earthranger_subjects import read_earthranger
from counts.exchange.labels_in import read_labels
from counts.exchange.movebank import read_movebank, study_of
from counts.exchange.reported import read_reported_csv, read_reported_geojson
from counts.exchange.smart import zone_of
from counts.exchange.smart_patrols import read_smart_patrols
from counts.exchange.tracks import Tracks
from counts.exchange.untrusted import content_hash, read_bytes
from counts.schema import CameraDeployment, Patrol, ReportedSighting
from counts.store import elsewhere, received
from flightplan.errors import CensusError, Skip


@dataclass(frozen=True)
class ImportOptions:
    """What an import may need to be told; each standard takes what it knows.

    `origin`: what its identifiers belong to, instead of what the file says. `zone`: IANA name of the time zone of
    clocks that do not say theirs. `checklist`: names of species. `columns`: columns by hand. `survey`: whose pictures
    boxes are of. `species_key`, `count_key`: attributes of SMART's data model. `attachments`: the folder for files that
    came with SMART's sightings. `code_version`: kept with the source.
    """

    origin: str | None = None
    zone: str = "UTC"
    checklist: Checklist | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    survey: str | None = None
    species_key: str = "species"
    count_key: str = "numberofanimals"
    attachments: Path | None = None
    code_version: str | None = None


@dataclass(frozen=True)
class Imported:
    """What came in. `known_since` is when the same content was brought in before: then nothing was added."""

    origin: str
    found: int
    added: Mapping[str, int]
    skips: tuple[Skip, ...] = ()
    unresolved: tuple[Skip, ...] = ()
    notes: tuple[str, ...] = ()
    known_since: datetime | None = None


@dataclass(frozen=True)
class _Read:
    """A file that was read: how to write what of it is new; `write` returns how many rows of each kind that is."""

    entry: received.SourceEntry
    found: int
    skips: tuple[Skip, ...]
    plan: Callable[[Session], Mapping[str, tuple[int, Callable[[int], None]]]]
    unresolved: tuple[Skip, ...] = ()
    notes: tuple[str, ...] = ()


def import_standard(
    census: Census, standard: str, path: Path, options: ImportOptions | None = None, *, now: datetime
) -> Imported:
    """Bring a file, folder or zip of a standard into the census in one transaction.

    Raises CensusError for an unknown standard or survey, and UnreadableFileError for what is not of the standard.
    """
    asked = options or ImportOptions()
    if standard not in STANDARDS_IN:
        raise CensusError(f"there is no standard {standard!r} to import", hint=f"There are: {', '.join(STANDARDS_IN)}")
    if not path.exists():
        raise CensusError("there is no such file", where=str(path))
    if asked.checklist is None:
        with census.reading() as session:
            taxa = elsewhere.read_taxa(session)
        if taxa:
            asked = replace(asked, checklist=Checklist(taxa, "the census' checklist"))
    if standard in _LABELS:
        return _import_labels(census, standard, path, asked)
    read = IMPORTS[standard](path, asked)
    with census.writing() as session:
        before = received.find_source(session, read.entry.standard, read.entry.content_hash)
        if before is not None:
            return Imported(
                before.entry.origin, before.found, {}, unresolved=read.unresolved, known_since=before.time_utc
            )
        steps = read.plan(session)
        added = {kind: number for kind, (number, _) in steps.items() if number}
        source_id = received.add_source(
            session,
            read.entry,
            found=read.found,
            added=sum(added.values()),
            skips=read.skips,
            time_utc=now,
            code_version=asked.code_version,
        )
        for _, write in steps.values():
            write(source_id)
    return Imported(read.entry.origin, read.found, added, read.skips, read.unresolved, read.notes)


def _movebank(path: Path, options: ImportOptions) -> _Read:
    origin = options.origin or study_of(path) or path.stem
    return _tracks("movebank", path, origin, read_movebank(path), content_hash({path.name: read_bytes(path)}), options)


def _earthranger(path: Path, options: ImportOptions) -> _Read:
    read = read_earthranger(path)
    return _tracks("earthranger", path, options.origin or "earthranger", read.tracks, read.content_hash, options)


def _tracks(standard: str, path: Path, origin: str, tracks: Tracks, digest: str, options: ImportOptions) -> _Read:
    """Plan to write tracks; a kind ("elephant") that the checklist is sure of comes in as its scientific name."""
    names, unresolved = _names(options, (t.taxon for t in tracks.tracks if t.taxon))
    entry = received.SourceEntry(standard, path.name, origin, digest)

    def plan(session: Session) -> dict[str, tuple[int, Callable[[int], None]]]:
        fresh = [(t, received.new_fixes(session, origin, t.individual, t.times_utc)) for t in tracks.tracks]

        def write(source_id: int) -> None:
            for track, new in fresh:
                rows = new.nonzero()[0].tolist()
                if not rows:
                    continue
                moments = track.times_utc.astype("datetime64[ms]").astype("int64")
                received.add_fixes(
                    session,
                    source_id,
                    origin,
                    track.individual,
                    taxon=names.get(track.taxon or "", track.taxon),
                    times_utc=[datetime.fromtimestamp(int(moments[row]) / 1000, UTC) for row in rows],
                    lonlat=track.lonlat[rows],
                    tags=[track.fix_tags[row] for row in rows],
                )

        return {"fixes": (sum(int(new.sum()) for _, new in fresh), write)}

    return _Read(entry, sum(map(len, tracks.tracks)), tracks.skips, plan, unresolved)


def _camtrap_dp(path: Path, options: ImportOptions) -> _Read:
    package = read_camtrap_dp(path)
    origin = options.origin or package.origin
    names, unresolved = _names(options, (o.species for o in package.observations if o.species))
    entry = received.SourceEntry(
        "camtrapdp", package.name, origin, package.content_hash, package.version, package.licence
    )
    seen = [replace(o, scientific_name=names.get(o.species or "")) for o in package.observations]

    def plan(session: Session) -> dict[str, tuple[int, Callable[[int], None]]]:
        known = elsewhere.known_identifiers(session, CameraDeployment, origin)
        places = [d for d in package.deployments if d.identifier not in known]
        told = elsewhere.known_camera_observations(session, origin)
        fresh = [o for o in seen if (o.deployment, o.identifier) not in told]
        return {
            "deployments": (len(places), lambda key: elsewhere.add_deployments(session, key, origin, places)),
            "observations": (len(fresh), lambda key: elsewhere.add_camera_observations(session, key, origin, fresh)),
        }

    found = len(package.deployments) + len(package.observations)
    notes = (f"{package.media} media stay where they are",) if package.media else ()
    return _Read(entry, found, package.skips, plan, unresolved, notes)


def _smart(path: Path, options: ImportOptions) -> _Read:
    read = read_smart_patrols(
        path,
        zone_of(options.zone),
        species_key=options.species_key,
        count_key=options.count_key,
        named=options.columns,
    )
    origin = options.origin or "smart"
    names, unresolved = _names(options, (s.species for s in read.sightings))
    seen = [replace(s, scientific_name=names.get(s.species)) for s in read.sightings]
    entry = received.SourceEntry("smart", path.name, origin, read.content_hash)

    def plan(session: Session) -> dict[str, tuple[int, Callable[[int], None]]]:
        known = elsewhere.known_identifiers(session, Patrol, origin)
        patrols = [p for p in read.patrols if p.identifier not in known]
        told = elsewhere.known_identifiers(session, ReportedSighting, origin)
        fresh = [s for s in seen if s.identifier not in told]
        return {
            "patrols": (len(patrols), lambda key: elsewhere.add_patrols(session, key, origin, patrols)),
            "sightings": (len(fresh), lambda key: elsewhere.add_reported(session, key, origin, fresh)),
        }

    notes = []
    if read.attachments and options.attachments is not None:
        write_attachments(options.attachments, read.attachments)
        notes.append(f"{len(read.attachments)} attachments are in {options.attachments}")
    elif read.attachments:
        notes.append(f"{len(read.attachments)} attachments were left where they are: --attachments DIR writes them")
    if read.others:
        notes.append(f"{read.others} observations have no attribute {options.species_key!r} and are no sightings")
    lacking = sum(p.track is None for p in read.patrols)
    if lacking:
        notes.append(f"{lacking} patrols have no track")
    return _Read(entry, len(read.patrols) + len(seen), read.skips, plan, unresolved, tuple(notes))


def _sightings(path: Path, options: ImportOptions) -> _Read:
    reader = read_reported_csv if path.suffix.lower() in (".csv", ".txt", ".tsv") else read_reported_geojson
    read = reader(path, zone_of(options.zone), options.columns)
    origin = options.origin or path.stem
    names, unresolved = _names(options, (s.species for s in read.sightings))
    seen = [replace(s, scientific_name=names.get(s.species)) for s in read.sightings]
    entry = received.SourceEntry("sightings", path.name, origin, read.content_hash)

    def plan(session: Session) -> dict[str, tuple[int, Callable[[int], None]]]:
        told = elsewhere.known_identifiers(session, ReportedSighting, origin)
        fresh = [s for s in seen if s.identifier not in told]
        return {"sightings": (len(fresh), lambda key: elsewhere.add_reported(session, key, origin, fresh))}

    return _Read(entry, len(seen), read.skips, plan, unresolved)


def _checklist(path: Path, options: ImportOptions) -> _Read:
    checklist = read_checklist(path)
    digest = checklist.content_hash or ""
    entry = received.SourceEntry("checklist", path.name, options.origin or path.stem, digest)

    def plan(session: Session) -> dict[str, tuple[int, Callable[[int], None]]]:
        return {"species": (len(checklist), lambda key: elsewhere.add_taxa(session, key, checklist.taxa))}

    return _Read(entry, len(checklist), checklist.skips, plan)


def _names(options: ImportOptions, said: Iterable[str]) -> tuple[dict[str, str], tuple[Skip, ...]]:
    """Return the accepted name of each name that the checklist is sure of; without one nothing is resolved."""
    if options.checklist is None:
        return {}, ()
    resolved = options.checklist.resolve(said)
    return {name: taxon.scientific_name for name, taxon in resolved.known.items()}, resolved.unresolved


def _import_labels(census: Census, standard: str, path: Path, options: ImportOptions) -> Imported:
    """Bring boxes in as a detection layer of a survey; a layer that was cut short goes on where it stopped."""
    with census.reading() as session:
        name = options.survey or store.latest_survey(session).name
        survey = store.find_survey(session, name).survey_id
        captures = store.read_captures(session, survey, usable=True)
    read = read_labels(_LABELS[standard], path, captures)
    detector = store.DetectorInfo(read.content_hash, read.name, "detect", read.labels)
    with census.writing() as session:
        run = store.open_detection_run(
            session,
            survey,
            detector,
            threshold=None,
            parameters={"imported": _LABELS[standard]},
            code_version=options.code_version,
        )
        missing = {c.capture_id for c in store.captures_without_detections(session, run)}
        fresh = {key: found for key, found in read.found.items() if key in missing}
        store.add_detections(session, run, fresh)
    added = {"pictures": len(fresh), "detections": sum(map(len, fresh.values()))}
    notes = (
        (f"they are the survey's newest detections: the next `overfly count` of {name} counts them",) if fresh else ()
    )
    return Imported(name, read.boxes, {k: v for k, v in added.items() if v}, read.skips, notes=notes)


_LABELS = {"coco": "coco", "yolo": "yolo", "detections": "csv"}
IMPORTS: dict[str, Callable[[Path, ImportOptions], _Read]] = {
    "movebank": _movebank,
    "earthranger": _earthranger,
    "camtrapdp": _camtrap_dp,
    "smart": _smart,
    "sightings": _sightings,
    "checklist": _checklist,
}
STANDARDS_IN = (*IMPORTS, *_LABELS)
