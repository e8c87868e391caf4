"""The command: `overfly VERB`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

import overfly


class LazyGroup(click.Group):
    """A group that imports a verb's module only when that verb is asked for: a laptop in a camp starts fast."""

    def __init__(self, *args: Any, verbs: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order of the work, not of the alphabet."""
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb by name."""
        address = self._verbs.get(cmd_name)
        if address is None:
            return None
        module, attribute = address.split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(
    cls=LazyGroup,
    verbs={
        "demo": "overfly.commands.demo:demo_command",
        "init": "overfly.commands.init:init_command",
        "design": "overfly.commands.design:design_command",
        "plan": "overfly.commands.plan:plan_command",
        "mend": "flightplan.commands.mend:mend_command",
        "convert": "flightplan.commands.convert:convert_command",
        "fly": "flightplan.commands.fly:fly_command",
        "sim": "overfly.cli:sim",
        "transects": "overfly.commands.transects:transects_command",
        "ingest": "overfly.commands.ingest:ingest_command",
        "detect": "overfly.commands.detect:detect_command",
        "train": "detect.commands.train:train_command",
        "evaluate": "detect.commands.evaluate:evaluate_group",
        "review": "overfly.commands.review:review_command",
        "availability": "overfly.commands.availability:availability_command",
        "count": "overfly.commands.count:count_command",
        "compare": "overfly.commands.compare:compare_command",
        "estimate": "counts.commands.estimate:estimate_command",
        "report": "overfly.commands.report:report_command",
        "export": "overfly.commands.export:export_command",
        "import": "overfly.commands.import_:import_command",
        "doctor": "overfly.commands.doctor:doctor_command",
    },
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(overfly.__version__, prog_name="overfly")
def main() -> None:
    """Count wildlife from the air: plan, fly, find, count each animal once, estimate.

    Exit codes: 0 done, 1 refused or failed with a reason, 2 wrong usage, 3 done but with items skipped, each named.
    """


@click.group(
    cls=LazyGroup,
    verbs={
        "images": "sim.commands.images:images_command",
        "survey": "overfly.commands.sim_survey:survey_command",
        "vehicle": "sim.commands.vehicle:vehicle_command",
    },
)
def sim() -> None:
    """Stand-ins for the real things, each usable alone."""
