"""Writing the report: what a survey left in the census, set as a page or as a PDF."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from counts.census import Census
from counts.report.beside import write_beside
from counts.report.contents import field_summary, whole_report
from counts.report.facts import gather
from counts.report.html import set_html
from counts.report.pdf import set_pdf
from counts.report.signs import kinds_of
from counts.report.words import Words
from flightplan.plan import SurveyPlan


@dataclass(frozen=True)
class ReportRequest:
    """How a report is asked for.

    `truth` is what a simulator really had: species to stratum to number; "total", or else the sum, is the whole. What
    the survey's `plan` warned of, such as a height forced on a species, is among what to keep in mind. The places of
    species named in `sensitive` are left off maps and tables. `signs` says which labels are a carcass, people, a
    vehicle, a fire, or an animal all the same; the others go by their names. `one_page` is the summary for the wall, on
    one side of A4.
    """

    language: str = "en"
    truth: Mapping[str, Mapping[str, int]] | None = None
    sensitive: Collection[str] = ()
    plan: SurveyPlan | None = None
    signs: Mapping[str, str] = field(default_factory=dict)
    one_page: bool = False


def write_report(
    census: Census,
    survey_name: str,
    out_path: Path,
    *,
    truth: Mapping[str, Mapping[str, int]] | None = None,
    sensitive: Collection[str] = (),
    plan: SurveyPlan | None = None,
) -> Path:
    """Write a survey's report as one HTML file that needs nothing else, and return its path."""
    asked = ReportRequest(truth=truth, sensitive=sensitive, plan=plan)
    return write_reports(census, survey_name, [out_path], asked)[0]


def write_reports(
    census: Census,
    survey_name: str,
    out_paths: Collection[Path],
    asked: ReportRequest,
    *,
    beside: Path | None = None,
) -> tuple[Path, ...]:
    """Write a survey's report to each path, a PDF where it ends in .pdf and HTML elsewhere; return what was written.

    `beside` is a folder for the figures as SVG and the data as CSV. The same census and request give the same bytes.
    Raises CensusError for a survey that is not there, for a language there is no catalogue of, and for a PDF without
    the extra `report`.
    """
    say = Words(asked.language)
    with census.reading() as session:
        facts = gather(session, survey_name, census.revision() or "unknown")
    facts = replace(facts, signs=kinds_of(facts.labels, asked.signs))
    if asked.one_page:
        document = field_summary(facts, say, sensitive=asked.sensitive)
    else:
        document = whole_report(facts, say, truth=asked.truth, sensitive=asked.sensitive, plan=asked.plan)
    written = []
    for path in out_paths:
        content = set_pdf(document) if path.suffix.lower() == ".pdf" else set_html(document).encode()
        unfinished = path.with_name(path.name + ".part")
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        unfinished.replace(path)
        written.append(path)
    if beside is not None:
        written += write_beside(facts, document, beside, sensitive=asked.sensitive)
    return tuple(written)
