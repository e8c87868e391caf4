"""The report's languages: every message is collected, translated, and has the same gaps to fill."""

import ast
import importlib.util
import re
import string
import sys
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from counts.census import Census
from counts.report import LOCALES, ReportRequest, write_reports
from counts.report.bearings import degrees, north
from counts.report.doubts import kind_names
from counts.report.stored import STORED, match_stored
from counts.report.words import Words
from flightplan.errors import CensusError
from flightplan.messages import Message, from_stored, message, plural_message, some_of, to_stored

ROOT = Path(__file__).resolve().parents[2]
TRANSLATED = [language for language in LOCALES if language != "en"]


@pytest.fixture(scope="module")
def messages():
    spec = importlib.util.spec_from_file_location("extract_messages", ROOT / "docs" / "extract_messages.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def placeholders(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_message_of_the_code_is_in_the_template(messages):
    with messages.TEMPLATE.open("rb") as stream:
        template = {m.id for m in read_po(stream) if m.id}
    assert template == {m.id for m in messages.extract() if m.id}
    assert len(template) > 400


def marked_in(folder, marks):
    """What is marked in a folder's modules, read from the syntax tree: into f-strings the extraction does not look."""
    told = set()
    for path in sorted(p for p in folder.rglob("*.py") if p.name != "words.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            # A MAVLink item has a method of that name.
            name = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
            if name not in marks or (name == "message" and isinstance(node.func, ast.Attribute)):
                continue
            texts = node.args[:2] if marks[name] else node.args[:1]
            assert all(isinstance(text, ast.Constant) for text in texts), f"{path.name}:{node.lineno}"
            told.add(tuple(text.value for text in texts) if marks[name] else texts[0].value)
    return told


def test_every_mark_in_the_code_is_seen_by_the_extraction(messages):
    told = marked_in(messages.SOURCE, messages.MARKS)
    found = [marked_in(folder, messages.FOUND_MARKS) for folder in messages.FOUND_IN]
    assert min(map(len, found)) > 50
    assert told.union(*found) == {m.id for m in messages.extract() if m.id}


def test_templates_hold_no_words_of_their_own():
    folder = ROOT / "counts" / "report" / "templates"
    for path in sorted(folder.glob("*.j2")):
        bare = re.sub(
            r"\{%.*?%\}|\{\{.*?\}\}|<style>.*?</style>|<[^>]*>", " ", path.read_text(encoding="utf-8"), flags=re.S
        )
        assert re.findall(r"[A-Za-z]{2,}", bare) == [], path.name
    code = re.sub(r"//.*", "", (folder / "report.typ").read_text(encoding="utf-8"))
    assert re.findall(r"\[[A-Za-z][a-z]+[ a-z]*\]", code) == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_has_every_message_and_nothing_else(messages, language):
    catalogue = messages.read(language)
    wanted = {m.id for m in messages.extract() if m.id}
    assert {m.id for m in catalogue if m.id} == wanted
    missing = [m.id for m in catalogue if m.id and not all([m.string] if isinstance(m.string, str) else m.string)]
    assert missing == []
    assert [m.id for m in catalogue if m.fuzzy] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_fills_the_same_gaps(messages, language):
    for entry in messages.read(language):
        if not entry.id:
            continue
        originals = (entry.id,) if isinstance(entry.id, str) else entry.id
        told = (entry.string,) if isinstance(entry.string, str) else entry.string
        allowed = set().union(*map(placeholders, originals))
        for text in told:
            assert placeholders(text) <= allowed, entry.id
        # The plural says everything; a form for one may leave out what only several have.
        assert placeholders(told[-1]) == placeholders(originals[-1]), entry.id


def test_a_translation_is_in_its_own_language(messages):
    """No sentence is the same in two languages, and Russian is written in its letters."""
    told: dict[str, dict[str, str]] = {language: {} for language in TRANSLATED}
    for language, own in told.items():
        for entry in messages.read(language):
            bare = re.sub(r"\{[^}]*\}|[\W\d_]", "", str(entry.id))
            if entry.id and len(bare) > 24:
                own[str(entry.id)] = str(entry.string)
    assert min(map(len, told.values())) > 300
    for key in told["fr"]:
        assert len({own[key] for own in told.values()} | {key}) == 5, key
        assert re.search("[а-я]", told["ru"][key]), key


def test_numbers_dates_and_plurals_follow_the_language():
    french, russian, swahili, portuguese = (Words(name) for name in ("fr", "ru", "sw", "pt"))
    assert french.decimal(12400.5) == "12\u202f400,5"
    assert russian.percent(0.234, 1) == "23,4\u00a0%"
    assert portuguese.whole(12400) == "12\u00a0400"
    assert swahili.percent(0.23) == "23%"
    counts = [russian.ngettext("{count} picture", "{count} pictures", n) for n in (1, 2, 5, 21, 112)]
    assert counts == ["1 снимок", "2 снимка", "5 снимков", "21 снимок", "112 снимков"]
    assert [french.ngettext("{count} picture", "{count} pictures", n) for n in (0, 1, 2)] == [
        "0 image",
        "1 image",
        "2 images",
    ]
    assert french.listed(["a", "b", "c"]) == "a, b et c"
    assert russian._("between {lower} and {upper}", lower="1", upper="2") == "от 1 до 2"


def test_a_map_names_degrees_and_north_in_the_language():
    assert degrees("34.81° E", Words()) == "34.81° E"
    assert [degrees("2.320° S", Words(name)) for name in ("fr", "ru")] == ["2,320° S", "2,320° ю. ш."]
    assert [north(Words(name)) for name in ("en", "fr", "ru", "sw")] == ["N", "N", "С", "K"]


def test_clauses_are_joined_as_the_language_does():
    assert Words().in_turn(["a, b", "c", "d"]) == "a, b; c; d"
    assert Words("fr").in_turn(["a, b", "c", "d"]) == "a, b ; c ; d"
    assert Words("fr").in_turn([]) == ""


def test_what_the_census_keeps_in_english_is_told_in_the_language_or_marked():
    french = Words("fr")
    assert french.stored("none seen in 12 units: their spread says nothing about what was missed") == (
        "aucun vu dans 12 unités : leur dispersion ne dit rien de ce qui a été manqué"
    )
    nested = "not corrected for detection: the census counted none, so there is nothing to correct"
    assert french.stored(nested) == (
        "non corrigé pour la détection : le recensement n'en a compté aucun, il n'y a donc rien à corriger"
    )
    assert french.stored("woodland-001: 37531 m² of its strip were not seen").startswith(
        "woodland-001 : 37\u202f531 m²"
    )
    assert french.stored("something nobody wrote a message for") == "something nobody wrote a message for [EN]"
    assert Words("en").stored("something nobody wrote a message for") == "something nobody wrote a message for"


def findings_of_every_kind(messages):
    """One message for each template that plans and checks of flights have, its values made up."""
    for template in sorted(
        set().union(*(marked_in(folder, messages.FOUND_MARKS) for folder in messages.FOUND_IN)), key=str
    ):
        one, many = template if isinstance(template, tuple) else (template, None)
        gaps = {name: spec for _, name, spec, _ in string.Formatter().parse(many or one) if name}
        values = {name: 1234.5 if spec else f"A{i}x" for i, (name, spec) in enumerate(gaps.items())}
        yield Message(one, many, {**values, "count": 3} if many else values)


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_plans_and_checks_of_flights_say_is_told_in_the_language(messages, language):
    say = Words(language)
    every = list(findings_of_every_kind(messages))
    told = [say.stored(text) for text in every]
    assert [text for text in told if "[EN]" in text] == []
    # Each value stands in the translation as in the original.
    for text, said in zip(every, told, strict=True):
        names = {value for value in text.values.values() if isinstance(value, str)}
        assert {name for name in names if name not in said} == set(), text.template


def test_numbers_in_a_finding_follow_the_language_and_names_stay():
    text = message(
        "{flight}: {what}: {pictures}",
        flight="card/1234",
        what=plural_message(
            "{count} picture is cut short ({why})", "{count} pictures are cut short ({why})", 2, why="x"
        ),
        pictures=some_of([f"{n}.jpg" for n in range(8)], 6),
    )
    assert text == "card/1234: 2 pictures are cut short (x): 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg, 5.jpg and 2 more"
    assert Words("ru").stored(text) == (
        "card/1234: 2 снимка обрезаны (x): 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg, 5.jpg и ещё 2"
    )
    off = message("; the aircraft's own yaw differs from it by {offset:+.1f}°", offset=-1234.56)
    assert off == "; the aircraft's own yaw differs from it by -1234.6°"
    assert Words("fr").stored(off).endswith("−1\u202f234,6°")
    assert Words("fr").stored(message("a template nobody collected")) == "a template nobody collected [EN]"


def test_a_finding_of_an_older_census_has_its_text_alone():
    kept = message("heights are above the launch site: right over flat ground only, no elevation was given")
    for stored, known in ((to_stored(kept), True), (None, False), ({"template": "other", "values": {}}, False)):
        assert isinstance(from_stored(str(kept), stored), Message) is known
        assert from_stored(str(kept), stored) == kept


def test_each_stored_message_is_found_again_from_what_it_says():
    for sentence in STORED:
        filled = {name: f"A{i}x" for i, name in enumerate(sorted(placeholders(sentence)))}
        assert match_stored(sentence.format(**filled)) == (sentence, filled)


def test_the_reasons_that_estimators_and_effort_give_are_known_to_the_catalogue():
    """Sentences as the code writes them today: when one is changed, its translation must follow."""
    from counts.assignment import OffEffort
    from counts.estimators.jolly import jolly2, total_count
    from counts.estimators.limits import LimitForm

    said = [reason.text for reason in OffEffort if reason is not OffEffort.ON_EFFORT]
    said += [
        jolly2([0, 0, 0], [1.0, 1.0, 1.0], 30.0, 30.0).reason,
        jolly2([3], [1.0], 30.0, 30.0).reason,
        jolly2([3, 3], [1.0, 1.0], 30.0, 30.0).reason,
        total_count([3, 4]).reason,
    ]
    said += [f"{LimitForm.LOGNORMAL}"]
    assert [text for text in said if text is None or match_stored(text) is None] == []


def test_a_language_without_a_catalogue_is_refused(filled_file, tmp_path):
    with Census.open(filled_file) as census, pytest.raises(CensusError, match="'xx'"):
        write_reports(census, "2026-wet", [tmp_path / "r.html"], ReportRequest(language="xx"))


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_page_in_another_language_leaves_no_english_behind(filled_file, tmp_path, language):
    with Census.open(filled_file) as census:
        (path,) = write_reports(census, "2026-wet", [tmp_path / "r.html"], ReportRequest(language=language))
    page = path.read_text(encoding="utf-8")
    assert f'<html lang="{language}">' in page
    body = page.split("</style>", 1)[1]
    # What the census keeps in English and no message is known of is marked; the fixture has three such texts.
    known = ("rolled more than 10°", "the file ends before the picture does", "60 frames of this survey")
    marked = re.findall(r"[^<>(;]*\[EN\]", body)
    assert marked
    assert [text for text in marked if not any(text.strip().startswith(start) for start in known)] == []
    told = re.sub(r"[^<>(;]*\[EN\]", "", body)
    read = re.sub(r"<[^>]*>", " ", told)
    for english in (" the ", " of ", " were ", "Seen", "searched", "limits"):
        assert english not in read, english


def test_a_translator_s_file_reads_back(messages):
    with (messages.LOCALE / "ru" / "LC_MESSAGES" / "overfly.po").open("rb") as stream:
        assert read_po(stream).num_plurals == 3


def test_every_kind_of_finding_that_detect_knows_has_a_name_a_reader_knows():
    """Kinds are constants of detect's modules of checks: NAME = "name-with-a-dash"."""
    source = "".join(
        path.read_text(encoding="utf-8")
        for pattern in ("*_checks.py", "findings.py", "log_matching.py")
        for path in sorted((ROOT / "detect").glob(pattern))
    )
    kinds = set(re.findall(r'^[A-Z_]+ = "([a-z]+(?:-[a-z]+)+)"$', source, flags=re.M))
    assert len(kinds) > 15
    assert kinds - set(kind_names(Words("ru"))) == set()
