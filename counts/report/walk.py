"""The walk from the published number back to the pixels."""

from __future__ import annotations

import numpy as np

from counts.report.facts import Facts
from counts.report.words import Words


def walk(facts: Facts, say: Words) -> tuple[tuple[str, str, str], ...]:
    """Return the steps: what it is, what it was, and its hash or version."""
    steps: list[tuple[str, str, str]] = []
    if facts.counting:
        run = say._("run {number}", number=facts.counting.estimate_run_id)
        steps.append((say._("Estimates"), run, facts.counting.provenance_hash))
    if facts.verification:
        steps.append(
            (
                say._("Checked by"),
                say.ngettext(
                    "{who}: {count} frame",
                    "{who}: {count} frames",
                    sum(facts.verification.frames.values()),
                    who=say.listed([say.stored_value(who) for who in facts.verification.who]),
                ),
                say._("append-only in the census"),
            )
        )
    if facts.reviewing and facts.reviewing.judged:
        steps.append(
            (
                say._("Reviewed by"),
                say.ngettext(
                    "{who}: {count} detection",
                    "{who}: {count} detections",
                    facts.reviewing.judged,
                    who=say.listed(list(facts.reviewing.reviewers)),
                ),
                say._("append-only in the census"),
            )
        )
    if facts.identity:
        parameters = ", ".join(f"{k} {_short(v)}" for k, v in sorted(facts.identity.parameters.items()) if _plain(v))
        run = say._(
            "run {number}, {method}", number=facts.identity.run_id, method=say.stored_value(facts.identity.method)
        )
        steps.append((say._("Individuals"), run, parameters))
    if facts.detection:
        found = facts.detection
        about = {"number": found.run_id, "name": found.detector.name}
        text = (
            say._("run {number}, {name}", **about)
            if found.threshold is None
            else say._(
                "run {number}, {name}, score {threshold} and above",
                threshold=say.significant(found.threshold), **about,
            )
        )  # fmt: skip
        steps.append((say._("Detections"), text, found.detector.content_hash))
    pictures = say.ngettext("{count} picture", "{count} pictures", facts.captures.total)
    steps.append((say._("Pictures"), pictures, facts.captures.hash))
    if facts.survey.plan_hash:
        seed = facts.survey.design_seed
        drawn = say._("lines as flown") if seed is None else say._("seed {seed}", seed=seed)
        steps.append((say._("Plan"), drawn, facts.survey.plan_hash))
    versions = say.listed(list(dict.fromkeys(v for v in _versions(facts) if v))) or say._("version not recorded")
    software = say._("overfly {version}", version=versions)
    steps.append((say._("Software"), software, say._("schema {revision}", revision=facts.revision)))
    return tuple(steps)


def _versions(facts: Facts) -> tuple[str | None, ...]:
    return (
        facts.survey.code_version,
        facts.detection.code_version if facts.detection else None,
        facts.identity.code_version if facts.identity else None,
        facts.counting.code_version if facts.counting else None,
    )


def _plain(value: object) -> bool:
    return isinstance(value, str | int | float | bool)


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)
