"""Tables of segments along the lines, with a grid of cells: density surfaces."""

from __future__ import annotations

import numpy as np

from counts.estimators import Estimate, LimitForm, density_surface_total
from counts.table_design import StratumOfTable, TableDesign
from counts.table_sightings import any_number
from counts.tables import Column, Table, read_table
from flightplan.errors import UnreadableFileError

SEGMENT_COLUMNS = (Column("unit", number=False), Column("count"), Column("area_km2", above=True))


def estimate_surface(table: Table, rows: list[int], stratum: StratumOfTable, design: TableDesign) -> Estimate:
    """Fit a surface to the segments and sum it over the cells of the design's grid, those of the stratum if it says."""
    assert design.grid is not None
    columns = [Column("area_km2", above=True), *(any_number(name) for name in design.covariates)]
    cells = read_table(design.grid, [*columns, Column("stratum", number=False, needed=False)])
    mine = list(range(len(cells.lines)))
    if "stratum" in cells.texts:
        mine = [row for row in mine if cells.texts["stratum"][row] == stratum.name]
        if not mine:
            raise UnreadableFileError(f"no cell is in stratum {stratum.name!r}", where=str(design.grid))
    return density_surface_total(
        table.column("count", rows),
        table.column("area_km2", rows),
        np.column_stack([table.column(name, rows) for name in design.covariates]),
        np.column_stack([cells.column(name, mine) for name in design.covariates]),
        cells.column("area_km2", mine),
        names=design.covariates,
        confidence=design.confidence,
        form=design.limits or LimitForm.LOGNORMAL,
    )
