"""What a map names at its edges, in the language of the report: longitudes, latitudes, north."""

from __future__ import annotations

from counts.report.words import Words


def degrees(text: str, say: Words) -> str:
    """A longitude or latitude as maps name it in English ("34.81° E"), in the language of the report."""
    number, _, side = text.partition("° ")
    written = say.decimal(float(number), len(number.partition(".")[2]))
    told = {
        "E": say._("{degrees}° E", degrees=written),
        "W": say._("{degrees}° W", degrees=written),
        "N": say._("{degrees}° N", degrees=written),
        "S": say._("{degrees}° S", degrees=written),
    }
    return told[side]


def north(say: Words) -> str:
    """The letter under a map's arrow."""
    return say._("North")[0]
