"""Many rows at once into one table, at about the speed that the database itself has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Table, insert
from sqlalchemy.orm import Session

from counts.columns import Json, canonical_json
from counts.spatial_index import create_insert_trigger, drop_insert_trigger
from flightplan.frames import Floats

ROWS_AT_A_TIME = 20_000


def insert_rows(session: Session, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows of values, in the order of `columns`.

    In SQLite they go to the driver as they are, but for JSON: times and geometries have to be as the file keeps them.
    """
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        names, places = ", ".join(f'"{name}"' for name in columns), ", ".join("?" for _ in columns)
        statement = f'INSERT INTO "{table.name}" ({names}) VALUES ({places})'  # noqa: S608
        json = [i for i, name in enumerate(columns) if isinstance(table.c[name].type, Json)]
        for some in _chunks(rows):
            connection.exec_driver_sql(statement, [_written(row, json) for row in some])
        return
    for some in _chunks(rows):
        connection.execute(insert(table), [dict(zip(columns, row, strict=True)) for row in some])


def insert_points(
    session: Session,
    table: Table,
    column: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    lonlat: Floats,
) -> None:
    """Insert rows of a layer of points, whose places (N, 2) are `lonlat`; in SQLite the index is written with them.

    That takes a third of the time of the index' trigger, which asks the points for their places one by one.
    """
    connection = session.connection()
    if connection.dialect.name != "sqlite":
        insert_rows(session, table, columns, rows)
        return
    first = 1 + int(connection.exec_driver_sql(f'SELECT coalesce(max(fid), 0) FROM "{table.name}"').scalar_one())  # noqa: S608
    drop_insert_trigger(connection, table.name, column)
    keys = range(first, first + len(lonlat))
    insert_rows(session, table, ("fid", *columns), ((key, *row) for key, row in zip(keys, rows, strict=True)))
    rtree = f'INSERT INTO "rtree_{table.name}_{column}" VALUES (?, ?, ?, ?, ?)'  # noqa: S608
    for some in _chunks(_cells(np.asarray(keys, dtype=np.int64), lonlat)):
        connection.exec_driver_sql(rtree, some)
    create_insert_trigger(connection, table.name, column)


def _written(row: Sequence[Any], json: Sequence[int]) -> tuple[Any, ...]:
    if not any(row[i] is not None for i in json):
        return tuple(row)
    return tuple(canonical_json(v) if i in json and v is not None else v for i, v in enumerate(row))


def _cells(keys: npt.NDArray[np.int64], lonlat: Floats) -> Iterator[tuple[int, float, float, float, float]]:
    known = np.isfinite(lonlat).all(axis=1)
    for key, (x, y) in zip(keys[known].tolist(), lonlat[known].tolist(), strict=True):
        yield key, x, x, y, y


def _chunks(rows: Iterable[Any]) -> Iterator[list[Any]]:
    coming = iter(rows)
    while some := list(islice(coming, ROWS_AT_A_TIME)):
        yield some
