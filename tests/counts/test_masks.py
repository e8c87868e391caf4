"""Water and cloud go out of the area searched; water out of the stratum too."""

import json
from pathlib import Path

import pytest
import shapely

from counts.masks import NO_HABITAT, NOT_SEEN, mask_strata, read_masks_file
from counts.store import MaskEntry
from flightplan.areas import StudyArea, read_area
from flightplan.errors import AreaError
from flightplan.frames import LocalFrame

FRAME = LocalFrame(34.83, -2.33)


def square(west: float, south: float, side: float) -> shapely.Polygon:
    """A square in metres of the frame, in longitude and latitude."""
    return FRAME.delocalise(shapely.box(west, south, west + side, south + side))


def written(path: Path, **features: shapely.Geometry) -> Path:
    content = [
        {"type": "Feature", "properties": {"name": name}, "geometry": shapely.geometry.mapping(geometry)}
        for name, geometry in features.items()
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": content}))
    return path


@pytest.fixture
def area(tmp_path: Path) -> StudyArea:
    return read_area(written(tmp_path / "park.geojson", park=square(0, 0, 1000)))


def test_water_leaves_the_stratum_and_cloud_only_the_search() -> None:
    strata = [shapely.box(0, 0, 1000, 1000), shapely.box(1000, 0, 2000, 1000)]
    masks = [
        MaskEntry(NO_HABITAT, square(900, 0, 200), "lakes.gpkg"),
        MaskEntry(NOT_SEEN, square(0, 0, 100), "cloud.kml"),
        MaskEntry("cloud", square(1050, 50, 100), "an older census"),
    ]
    masked = mask_strata(strata, masks, FRAME)
    assert shapely.area(masked.habitat) == pytest.approx([980_000, 980_000], rel=1e-6)
    assert masked.no_habitat_m2 == pytest.approx([20_000, 20_000], rel=1e-6)
    # Half of the second cloud lies over the lake and is gone already.
    assert masked.not_seen_m2 == pytest.approx([10_000, 5_000], rel=1e-6)
    assert shapely.area(masked.searchable) == pytest.approx([970_000, 975_000], rel=1e-6)


def test_without_masks_the_strata_are_as_they_were() -> None:
    strata = [shapely.box(0, 0, 1000, 1000)]
    masked = mask_strata(strata, (), FRAME)
    assert masked.habitat[0] is strata[0]
    assert masked.searchable[0] is strata[0]
    assert masked.no_habitat_m2.tolist() == [0.0]


def test_a_file_of_polygons_is_read_and_what_lies_elsewhere_is_left_out(tmp_path: Path, area: StudyArea) -> None:
    path = written(
        tmp_path / "lakes.geojson",
        near=square(100, 100, 50),
        far=square(30_000, 0, 50),
        road=FRAME.delocalise(shapely.LineString([(0, 0), (900, 900)])),
    )
    (mask,) = read_masks_file(path, NO_HABITAT, area)
    assert (mask.kind, mask.source) == (NO_HABITAT, "lakes.geojson")
    assert shapely.area(FRAME.localise(mask.polygon)) == pytest.approx(2500, rel=1e-6)


def test_a_mask_of_another_place_or_of_an_unknown_kind_is_refused(tmp_path: Path, area: StudyArea) -> None:
    path = written(tmp_path / "lakes.geojson", far=square(30_000, 0, 50))
    with pytest.raises(AreaError, match="no polygon of the mask lies in the study area"):
        read_masks_file(path, NOT_SEEN, area)
    with pytest.raises(AreaError, match="one of no habitat, not seen"):
        read_masks_file(path, "water", area)
