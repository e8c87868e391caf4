"""What every table of the census has in common."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from shapely.geometry import LineString, MultiLineString, MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry
from sqlalchemy import BigInteger, Double, ForeignKey, Integer, MetaData, Text
from sqlalchemy.orm import DeclarativeBase, mapped_column

from counts.columns import Json, UtcTime
from counts.geopackage import Geometry

Key = Annotated[int, mapped_column(primary_key=True)]
Whole = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """The tables of the census."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's own hook)
        str: Text,
        float: Double,
        datetime: UtcTime,
        dict[str, Any]: Json,
        list[str]: Json,
        list[Any]: Json,
        Point: Geometry("POINT"),
        Polygon: Geometry("POLYGON"),
        LineString: Geometry("LINESTRING"),
        MultiPolygon: Geometry("MULTIPOLYGON"),
        MultiLineString: Geometry("MULTILINESTRING"),
        BaseGeometry: Geometry("GEOMETRY"),
    }


def parent(table: str, **options: Any) -> Any:
    """The column that points to a row of another table."""
    return mapped_column(ForeignKey(f"{table}.fid"), **options)
