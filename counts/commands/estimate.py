"""`overfly estimate`."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from counts.estimators import Estimate
from counts.table_design import read_table_design
from counts.table_estimates import TableEstimates, estimate_table
from flightplan.console import OverflyCommand, finish, json_option


@click.command("estimate", cls=OverflyCommand)
@click.argument("table", metavar="FILE.csv", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--design",
    "design_path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.toml",
    help="How the counts were sampled, and the estimator: see docs/estimate.md.",
)
@json_option
def estimate_command(table: Path, design_path: Path, as_json: bool) -> None:
    """Estimate how many animals there are from a table of counts, with or without pictures.

    Jolly 1, 2 and 3, total counts, bootstrap, distance sampling, two observers with distances or covariates,
    sightability, verified subsamples, precision and recall, and density surfaces, in one stratum or several. A column
    that is not known, a missing value or an area that cannot be is refused with its line.

    \b
    Example:
      overfly estimate transects.csv --design transects.toml
    """  # noqa: D301 (click's own mark)
    result = estimate_table(table, read_table_design(design_path))
    document = {"table": str(table), "design": str(design_path), **_document(result)}
    finish(document, as_json=as_json, text=_text(result))


def _document(result: TableEstimates) -> dict[str, Any]:
    document: dict[str, Any] = {
        "estimator": result.estimator.value,
        "strata": [{"stratum": name, **_fields(e)} for name, e in result.strata.items()],
        "total": _fields(result.total),
    }
    fitted = result.detectability
    if fitted is not None and fitted.function is not None:
        f = fitted.function
        document["detection_function"] = {
            "model": str(f.model),
            "sightings": f.sightings,
            "parameters": [float(p) for p in f.parameters],
            "probability": f.probability,
            "probability_se": f.probability_se,
            "effective_half_width_m": f.effective_half_width,
            "log_likelihood": f.log_likelihood,
            "aic": fitted.aic,
            "goodness_of_fit": asdict(fitted.fit) if fitted.fit else None,
        }
    if fitted is not None and fitted.observers is not None:
        o = fitted.observers
        document["observers"] = {"sightings": o.sightings, "coefficients": o.coefficients.tolist(), "aic": o.aic}
    if result.model:
        document["model"] = result.model
    return document


def _fields(e: Estimate) -> dict[str, Any]:
    fields = asdict(e)
    # JSON has no infinity: degrees of freedom without end are None.
    fields["degrees_of_freedom"] = _finite(e.degrees_of_freedom)
    fields["components"] = [{**asdict(c), "degrees_of_freedom": _finite(c.degrees_of_freedom)} for c in e.components]
    return fields


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isinf(value) else value


def _text(result: TableEstimates) -> str:
    lines = []
    if result.detectability is not None and result.detectability.function is not None:
        f = result.detectability.function
        lines.append(
            f"{f.model}: {f.probability:.3f} seen within {f.width:g} m (SE {f.probability_se:.3f}, "
            f"{f.sightings} sightings, AIC {f.aic:.1f})"
        )
    lines += [_line(name, e) for name, e in result.strata.items()]
    if len(result.strata) != 1:
        lines.append(_line("total", result.total))
    return "\n".join([*lines, *(f"Note: {note}." for note in result.total.notes)])


def _line(name: str, e: Estimate) -> str:
    if e.value is None:
        return f"{name:<14} no estimate: {e.reason}"
    if e.lower is None or e.upper is None:
        return f"{name:<14} {e.value:>8.0f}   no limits: {e.reason}"
    return (
        f"{name:<14} {e.value:>8.0f}   {e.confidence:.0%} limits {e.lower:.0f} to {e.upper:.0f}, "
        f"SE {e.standard_error:.0f}, CV {e.cv or 0:.0%}"
    )
