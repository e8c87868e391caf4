"""Names, keys, licences and data models: what goes out speaks the language of whoever reads it."""

import csv
import importlib.util
import json
import re
import subprocess
import warnings
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pyogrio
import pytest
from defusedxml import ElementTree

from counts import store
from counts.census import Census
from counts.exchange import ExportOptions, export_survey
from counts.exchange.checklist import read_checklist
from counts.exchange.darwincore import EVENT_TERMS, HUMBOLDT_TERMS, OCCURRENCE_TERMS
from counts.exchange.importing import import_standard
from counts.exchange.records import gather
from counts.exchange.services import make_items
from counts.exchange.smart import make_features
from counts.exchange.smart_model import check_mapping, read_data_model
from flightplan.errors import CensusError, UnreadableFileError

SURVEY = "2026-wet"
CHECKLIST = (
    "scientificName,vernacularName,TSN,gbifKey,taxonRank,kingdom,family,listed\n"
    "Loxodonta africana,elephant,584938,2435350,species,Animalia,Elephantidae,CITES I\n"
)
# Names of terms are facts: tdwg/dwc dist/simple_dwc_horizontal.csv (2021), eventType added by tdwg/dwc#408 (2023), and
# tdwg/hc dist/simple_eco_vertical.csv.
DARWIN_CORE = """
basisOfRecord informationWithheld dataGeneralizations occurrenceID individualCount organismQuantity organismQuantityType
occurrenceStatus occurrenceRemarks eventID parentEventID eventDate samplingProtocol sampleSizeValue sampleSizeUnit
samplingEffort eventRemarks countryCode locality decimalLatitude decimalLongitude geodeticDatum footprintWKT
coordinateUncertaintyInMeters footprintSRS identifiedBy identificationVerificationStatus taxonID scientificNameID
scientificName kingdom family taxonRank vernacularName verbatimIdentification license eventType
"""
HUMBOLDT = """
siteCount geospatialScopeAreaValue geospatialScopeAreaUnit totalAreaSampledValue totalAreaSampledUnit reportedWeather
targetHabitatScope targetTaxonomicScope taxonCompletenessReported isTaxonomicScopeFullyReported isAbsenceReported
absentTaxa hasNonTargetTaxa inventoryTypes protocolNames protocolDescriptions protocolReferences isAbundanceReported
isSamplingEffortReported samplingEffortProtocol samplingEffortValue samplingEffortUnit samplingPerformedBy
"""
MODEL = """<?xml version="1.0"?>
<DataModel xmlns="http://www.smartconservationsoftware.org/xml/1.0/datamodel">
 <languages><language code="en"/></languages>
 <attributes>
  <attribute key="n" isrequired="true" type="NUMERIC"><names language_code="en" value="Number"/></attribute>
  <attribute key="species" isrequired="false" type="TREE">
   <tree key="mammal" isactive="true"><names language_code="en" value="Mammal"/>
    <children key="elephant" isactive="true"><names language_code="en" value="Elephant"/></children>
    <children key="dodo" isactive="false"><names language_code="en" value="Dodo"/></children></tree>
   <names language_code="en" value="Species"/></attribute>
  <attribute key="age" isrequired="false" type="LIST">
   <values key="adult" isactive="true"><names language_code="en" value="Adult"/></values>
   <names language_code="en" value="Age"/></attribute>
 </attributes>
 <categories>
  <category key="animals" ismultiple="true" isactive="true"><names language_code="en" value="Animals"/>
   <attribute isactive="true" attributekey="n"/>
   <category key="live" ismultiple="true" isactive="true"><names language_code="en" value="Live"/>
    <attribute isactive="true" attributekey="species"/><attribute isactive="true" attributekey="age"/></category>
   <category key="dead" ismultiple="true" isactive="false"><names language_code="en" value="Dead"/></category>
  </category>
 </categories>
</DataModel>"""
GOOD = {"category": "animals.live", "count": "n", "attributes": {"species": "mammal.elephant", "age": "adult"}}


@pytest.fixture(scope="module")
def opened(filled_file):
    with Census.open(filled_file) as census:
        yield census


@pytest.fixture
def checklist(tmp_path):
    path = tmp_path / "species.csv"
    path.write_text(CHECKLIST)
    return read_checklist(path)


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "model.xml"
    path.write_text(MODEL)
    return path


def archive(census, out, sensitive=(), **options):
    return export_survey(census, SURVEY, "darwincore", out, sensitive=sensitive, options=ExportOptions(**options))


def table_of(path, name):
    with zipfile.ZipFile(path) as opened:
        header, *lines = opened.read(f"{name}.txt").decode().removesuffix("\n").split("\n")
    return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]


def member(path, name):
    with zipfile.ZipFile(path) as opened:
        return ElementTree.fromstring(opened.read(name))


def test_every_column_of_the_archive_is_a_published_term():
    assert set(EVENT_TERMS) | set(OCCURRENCE_TERMS) <= set(DARWIN_CORE.split())
    assert set(HUMBOLDT_TERMS) - {"eventID"} <= set(HUMBOLDT.split())


def test_a_species_has_its_keys_where_each_reader_looks_for_them(opened, tmp_path, checklist):
    out = tmp_path / "a.zip"
    done = archive(opened, out, checklist=checklist)
    rows = {r["vernacularName"]: r for r in table_of(out, "occurrence")}
    assert {
        k: rows["elephant"][k] for k in ("scientificName", "taxonID", "scientificNameID", "family", "taxonRank")
    } == {
        "scientificName": "Loxodonta africana",
        "taxonID": "https://www.gbif.org/species/2435350",
        "scientificNameID": "urn:lsid:itis.gov:itis_tsn:584938",
        "family": "Elephantidae",
        "taxonRank": "species",
    }
    assert (rows["zebra"]["scientificName"], rows["zebra"]["taxonID"]) == ("", "")
    assert rows["zebra"]["verbatimIdentification"] == "zebra"
    assert [(s.item, s.reason) for s in done.unresolved] == [("zebra", "species.csv does not have it")]
    keys = {e.attrib["provider"]: e.text for e in member(out, "eml.xml").iter("taxonId")}
    assert keys == {"https://itis.gov": "584938", "https://gbif.org": "2435350"}


def test_a_name_said_by_hand_goes_first_and_takes_the_checklist_s_keys(opened, tmp_path, checklist):
    done = archive(opened, tmp_path / "a.zip", checklist=checklist, taxa={"zebra": "Loxodonta africana"})
    assert done.unresolved == ()
    rows = {r["vernacularName"]: r for r in table_of(tmp_path / "a.zip", "occurrence")}
    assert rows["zebra"]["taxonID"] == "https://www.gbif.org/species/2435350"


def test_the_census_own_checklist_is_used_where_none_is_named(filled, tmp_path):
    path = tmp_path / "species.csv"
    path.write_text(CHECKLIST)
    import_standard(filled, "checklist", path, now=datetime(2026, 3, 1, tzinfo=UTC))
    archive(filled, tmp_path / "a.zip")
    rows = {r["vernacularName"]: r for r in table_of(tmp_path / "a.zip", "occurrence")}
    assert rows["elephant"]["scientificName"] == "Loxodonta africana"


@pytest.mark.parametrize("standard", ["csv", "geojson", "geopackage"])
def test_tables_have_the_names_and_keys_after_the_species(opened, tmp_path, checklist, standard):
    out = tmp_path / ("out.gpkg" if standard == "geopackage" else "out")
    options = ExportOptions(layers=("individuals", "strata"), checklist=checklist)
    done = export_survey(opened, SURVEY, standard, out, options=options)
    assert [s.item for s in done.unresolved] == ["zebra"]
    if standard == "csv":
        with (out / "individuals.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        found = {(r["species"], r["scientific_name"], r["gbif_key"] or None, r["tsn"] or None) for r in rows}
        assert found == {("elephant", "Loxodonta africana", "2435350", "584938"), ("zebra", "", None, None)}
        assert list(rows[0])[2:6] == ["species", "scientific_name", "gbif_key", "tsn"]
        return
    if standard == "geojson":
        rows = [f["properties"] for f in json.loads((out / "individuals.geojson").read_text())["features"]]
    else:
        meta, _, _, fields = pyogrio.raw.read(out, layer="individuals")
        rows = [dict(zip(meta["fields"], row, strict=True)) for row in zip(*fields, strict=True)]
    elephants = [r for r in rows if r["species"] == "elephant"]
    assert {(r["scientific_name"], int(r["gbif_key"])) for r in elephants} == {("Loxodonta africana", 2435350)}
    assert {r["scientific_name"] for r in rows if r["species"] == "zebra"} == {None}


def test_listed_species_are_blurred_on_request_and_only_then(opened, tmp_path, checklist):
    for blurred in (False, True):
        archive(opened, tmp_path / "a.zip", checklist=checklist, blur_listed=blurred)
        rows = table_of(tmp_path / "a.zip", "occurrence")
        coarse = {r["vernacularName"] for r in rows if r["dataGeneralizations"]}
        assert coarse == ({"elephant"} if blurred else set())
    with pytest.raises(CensusError, match="no checklist that lists"):
        archive(opened, tmp_path / "b.zip", blur_listed=True)


def test_the_licence_is_in_every_row_and_twice_in_the_description(opened, tmp_path):
    out = tmp_path / "a.zip"
    done = archive(opened, out, licence="CC-BY-4.0")
    url = "http://creativecommons.org/licenses/by/4.0/legalcode"
    assert not any("licence" in note for note in done.notes)
    assert {r["license"] for name in ("event", "occurrence") for r in table_of(out, name)} == {url}
    root = member(out, "eml.xml")
    assert root.find(".//intellectualRights/para/ulink").attrib["url"] == url
    assert [root.find(f".//licensed/{tag}").text for tag in ("url", "identifier")] == [url, "CC-BY-4.0"]
    terms = [f.attrib["term"] for f in member(out, "meta.xml").iter("{http://rs.tdwg.org/dwc/text/}field")]
    assert terms.count("http://purl.org/dc/terms/license") == 2
    assert "http://rs.tdwg.org/dwc/terms/license" not in terms
    assert any("no licence" in note for note in archive(opened, tmp_path / "b.zip").notes)
    with pytest.raises(CensusError, match="no licence 'GPL'"):
        archive(opened, tmp_path / "c.zip", licence="GPL")


def described(opened, out, checklist):
    archive(opened, out, checklist=checklist, licence="CC0-1.0", publisher="Park & <sons>", sensitive=["zebra"])
    with zipfile.ZipFile(out) as read:
        return read.read("eml.xml").decode()


def test_the_description_follows_the_rules_of_eml(opened, tmp_path, checklist):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        validate = pytest.importorskip("metapype.eml.validate", reason="metapype is not installed")
        from metapype.model.metapype_io import from_xml
    # metapype 0.3 does not know the links that EML 2.2 has in paragraphs; the schema of the next test does.
    text = re.sub(r"</?(ulink|citetitle)[^>]*>", "", described(opened, tmp_path / "a.zip", checklist))
    errors, broken = [], []
    validate.tree(from_xml(text), errors)
    assert errors == []
    validate.tree(from_xml(text.replace("licenseName", "licenceName")), broken)
    assert broken, "the rules find what is wrong"


def test_the_description_validates_by_the_schema(opened, tmp_path, checklist):
    etree = pytest.importorskip("lxml.etree", reason="lxml is not installed")
    package = importlib.util.find_spec("d1_scimeta")
    if package is None:
        pytest.skip("dataone.scimeta, which has the schemas of EML, is not installed")
    schema = etree.XMLSchema(etree.parse(Path(package.origin).parent / "schema" / "eml-2.1.1" / "eml.xsd"))
    text = described(opened, tmp_path / "a.zip", checklist)
    # No package that installs here has the schema of 2.2, which took 2.1.1 as it was and added these two.
    text = re.sub(r"<licensed>.*?</licensed>|<taxonId .*?</taxonId>", "", text)
    text = text.replace("https://eml.ecoinformatics.org/eml-2.2.0", "eml://ecoinformatics.org/eml-2.1.1")
    assert schema.validate(etree.fromstring(text.encode())), schema.error_log
    swapped = text.replace("<contact>", "<methods/><contact>", 1)
    assert not schema.validate(etree.fromstring(swapped.encode())), "the schema minds the order"


def test_the_description_validates_by_the_schema_of_2_2(opened, tmp_path, checklist, readers):
    etree = pytest.importorskip("lxml.etree", reason="lxml is not installed")
    (path,) = readers.glob("lib/python*/site-packages/emllib/schemas/eml/eml-2.2.0/eml.xsd")
    schema = etree.XMLSchema(etree.parse(path))
    text = described(opened, tmp_path / "a.zip", checklist)
    assert "<licensed>" in text
    assert "<taxonId " in text, "what 2.2 added is in it"
    assert schema.validate(etree.fromstring(text.encode())), schema.error_log
    for right, wrong in (
        ("<contact>", "<methods/><contact>"),
        ("licenseName", "licenceName"),
        ("taxonId", "taxonID"),
    ):
        assert not schema.validate(etree.fromstring(text.replace(right, wrong).encode())), right


def test_the_archive_with_keys_is_read_by_an_independent_reader(opened, tmp_path, checklist):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = pytest.importorskip("dwca.read", reason="python-dwca-reader is not installed")
    archive(opened, tmp_path / "a.zip", checklist=checklist, licence="CC-BY-4.0")
    with reader.DwCAReader(str(tmp_path / "a.zip")) as read:
        rows = [row.data for event in read for row in event.extensions if row.rowtype.endswith("Occurrence")]
    space = "http://rs.tdwg.org/dwc/terms/"
    told = {r[space + "vernacularName"]: r for r in rows}
    assert told["elephant"][space + "taxonID"] == "https://www.gbif.org/species/2435350"
    assert {r["http://purl.org/dc/terms/license"] for r in rows} == {
        "http://creativecommons.org/licenses/by/4.0/legalcode"
    }


def test_what_a_person_let_stand_is_confirmed_and_the_rest_is_the_detector_s_word(filled, tmp_path):
    with filled.writing() as session:
        run = store.latest_detection_run(session, 1)
        table = store.read_detections(session, run.run_id)
        for row, action in ((0, "accept"), (1, "reject")):
            entry = store.VerdictEntry(
                int(table.capture_id[row]), int(table.detection_id[row]), action, "A. Ranger",
                datetime(2026, 3, 1, tzinfo=UTC),
            )  # fmt: skip
            store.add_verdict(session, entry)
    archive(filled, tmp_path / "a.zip", country="tz")
    present = [r for r in table_of(tmp_path / "a.zip", "occurrence") if r["occurrenceStatus"] == "present"]
    said = [r["identificationVerificationStatus"] for r in present]
    assert said.count("confirmed by a person") == 1
    assert said.count("identified by a detector, not verified") == len(present) - 1
    assert {r["countryCode"] for r in table_of(tmp_path / "a.zip", "event")} == {"TZ"}
    with zipfile.ZipFile(tmp_path / "a.zip") as read:
        assert not any(b"Ranger" in read.read(name) for name in read.namelist()), "a person's name is not published"
    with pytest.raises(CensusError, match="no country code"):
        archive(filled, tmp_path / "b.zip", country="Tanzania")


# SMART's data model


def test_a_mapping_that_speaks_the_park_s_language_is_taken(opened, tmp_path, model_file):
    model = read_data_model(model_file)
    assert model.categories == {"animals": frozenset({"n"}), "animals.live": frozenset({"n", "species", "age"})}
    assert model.attributes["species"].options == frozenset({"mammal", "mammal.elephant"})
    assert check_mapping({"species": {"elephant": GOOD}}, model) == ()
    options = ExportOptions(mapping={"species": {"elephant": GOOD}}, data_model=model_file)
    assert export_survey(opened, SURVEY, "smart", tmp_path / "s.json", options=options).counts["waypoints"] > 0


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"category": "animals.dead"}, "there is no active category 'animals.dead'"),
        ({"count": "age"}, "the attribute 'age' takes no number (it is LIST)"),
        ({"attributes": {"herd": "x"}}, "'animals.live' has no active attribute 'herd'"),
        ({"attributes": {"species": "mammal.dodo"}}, "'species' cannot be 'mammal.dodo'"),
        ({"attributes": {"age": "old"}}, "'age' cannot be 'old' (it is LIST; it takes adult)"),
        ({"count": None}, "'animals.live' wants the attribute 'n'"),
    ],
)
def test_what_the_data_model_would_not_take_is_said(model_file, change, problem):
    entry = {k: v for k, v in {**GOOD, **change}.items() if v is not None}
    found = check_mapping({"species": {"elephant": entry}}, read_data_model(model_file))
    assert len(found) >= 1
    assert any(p.startswith(f"elephant: {problem}") for p in found)


def test_a_mapping_that_does_not_fit_writes_nothing(opened, tmp_path, model_file):
    options = ExportOptions(mapping={"species": {"zebra": {"category": "birds"}}}, data_model=model_file)
    with pytest.raises(CensusError, match="zebra: there is no active category 'birds'"):
        export_survey(opened, SURVEY, "smart", tmp_path / "s.json", options=options)
    assert not (tmp_path / "s.json").exists()


@pytest.mark.parametrize(
    "text", ["<x/>", "", MODEL.replace('isactive="true"', 'isactive="false"'), "<!DOCTYPE a><DataModel/>"]
)
def test_what_is_no_data_model_is_refused(tmp_path, text):
    path = tmp_path / "model.xml"
    path.write_text(text)
    with pytest.raises(UnreadableFileError):
        read_data_model(path)


# The clients of others


def test_the_clients_of_earthranger_and_smart_take_what_we_send(opened, model_file, readers):
    patrol = {"transportType": "uav", "mandate": "research", "members": ["a"], "leader": "a"}
    with opened.reading() as session:
        records = gather(session, SURVEY)
    items, _ = make_items("earthranger", records, ExportOptions())
    events = [i for i in items if i.path.endswith("/events")]
    observations = [o for i in items if not i.path.endswith("/events") for o in i.body]
    options = ExportOptions(mapping={"species": {"elephant": GOOD}, "patrol": patrol}, data_model=model_file)
    features, _ = make_features(records, options)
    asked = {
        "events": [i.body for i in events],
        "observations": observations,
        "features": features,
        "data_model": MODEL,
    }
    done = subprocess.run(
        [readers / "bin/python", str(Path(__file__).with_name("gundi_check.py"))],
        input=json.dumps(asked), capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    assert (said["events"], said["observations"], said["features"]) == (len(events), len(observations), len(features))
    assert said["extra"] == {"event": [], "observation": []}, "a field that their model does not have"
    assert [p["url"] for p in said["posted"][:3]] == [f"https://park.example{events[0].path}"] * 3
    assert said["posted"][3]["url"] == f"https://park.example{next(i.path for i in items if i not in events)}"
    assert said["posted"][0]["body"] == events[0].body
    assert said["dates"] == [f["properties"]["dateTime"] for f in features]
    assert {"observationGroups", "patrolUuid", "patrolLegUuid", "members", "leader"} <= set(said["attributes_kept"])
    model = read_data_model(model_file)
    assert said["categories"] == sorted(model.categories)
    assert set(said["options"]["species"]) >= model.attributes["species"].options
