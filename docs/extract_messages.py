"""Collect what the report says: `python docs/extract_messages.py` writes its catalogues anew, with what was translated.

A message is marked in the code by `_`, `ngettext` or `marked` (`counts/report/words.py`, `counts/report/stored.py`).
What plans warn of and what is doubted about flights is marked where it is found, by `message` and `plural_message`
(`flightplan/messages.py`). Templates hold no words. With `--language XX` a catalogue of a new language is begun.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "counts" / "report"
LOCALE = SOURCE / "locale"
TEMPLATE = LOCALE / "overfly.pot"
MARKS = {"_": None, "ngettext": (1, 2), "marked": None}
FOUND_IN = (ROOT / "flightplan", ROOT / "detect")
FOUND_MARKS = {"message": None, "plural_message": (1, 2)}
HEAD = "# What overfly's report says.\n# Released under the licence of overfly.\n#"


def extract() -> Catalog:
    """Return every message of the report and of findings, with the modules that say it, in the order of their names."""
    catalogue = Catalog(project="overfly", charset="utf-8", header_comment=HEAD)
    for folder, marks in ((SOURCE, MARKS), *((folder, FOUND_MARKS) for folder in FOUND_IN)):
        found = extract_from_dir(folder, [("**.py", "python")], keywords=marks, strip_comment_tags=True)
        for name, _, message, comments, context in sorted(found, key=lambda item: (item[0], item[1])):
            # Line numbers would change the file with every edit.
            place = (folder / name).relative_to(ROOT).as_posix()
            catalogue.add(message, None, [(place, None)], (), comments, context=context)
    return catalogue


def render(catalogue: Catalog) -> bytes:
    """Return a catalogue as it is written: without the time, so that the same messages give the same file."""
    stream = io.BytesIO()
    catalogue.fuzzy = False
    write_po(stream, catalogue, width=118, omit_header=False, include_lineno=False, ignore_obsolete=True)
    lines = stream.getvalue().decode("utf-8").splitlines(keepends=True)
    dropped = ('"POT-Creation-Date', '"PO-Revision-Date', '"Generated-By', '"Report-Msgid', '"Last-Translator')
    return "".join(line for line in lines if not line.startswith(dropped)).encode()


def read(language: str) -> Catalog:
    """Return the catalogue of a language as it stands, an empty one where there is none."""
    path = LOCALE / language / "LC_MESSAGES" / "overfly.po"
    if not path.is_file():
        return Catalog(locale=language, project="overfly", header_comment=HEAD)
    with path.open("rb") as stream:
        return read_po(stream, locale=language)


def main() -> None:
    """Write the template, and the catalogue of each language with what is new in it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--language", action="append", default=[], help="begin a catalogue of this language")
    asked = parser.parse_args()
    template = extract()
    LOCALE.mkdir(exist_ok=True)
    TEMPLATE.write_bytes(render(template))
    there = [path.name for path in sorted(LOCALE.iterdir()) if path.is_dir()]
    for language in dict.fromkeys([*there, *asked.language]):
        catalogue = read(language)
        catalogue.update(template, no_fuzzy_matching=True)
        path = LOCALE / language / "LC_MESSAGES" / "overfly.po"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(render(catalogue))
        left = sum(1 for m in catalogue if m.id and not (m.string and (isinstance(m.string, str) or all(m.string))))
        print(f"{language}: {len(catalogue)} messages, {left} without a translation")  # noqa: T201


if __name__ == "__main__":
    main()
