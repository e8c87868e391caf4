"""What the scoreboard measures: each script, how it is called there, and what it says as ratios with their goals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from figure_reading import (
    Read,
    at,
    error,
    kills,
    of_faults,
    of_settings,
    over,
    peak,
    rows,
    share,
    sound,
    told_within,
    wilson,
    worst_inside,
)


@dataclass(frozen=True)
class Figure:
    """One figure of a script's JSON: `of` reads it, `interval` the 95 % interval that the script states."""

    what: str
    against: str
    of: Read
    goal: float
    more_is_better: bool = True
    interval: Callable[[Any], tuple[float, float]] | None = None


@dataclass(frozen=True)
class Benchmark:
    """A script with its arguments, in which `{data}`, `{folder}` and `{yolo_python}` are filled in.

    `modules` have to be there in this Python, `yolo_modules` in the other, `programs` on the path; `data` says that it
    needs the test data. `repeated` is for figures that a second run would measure differently.
    """

    command: tuple[str, ...]
    figures: tuple[Figure, ...]
    modules: tuple[str, ...] = ()
    yolo_modules: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    data: bool = False
    repeated: bool = True


def _coverage(species: str) -> Figure:
    total = ("without_pictures", "species", species, "total")
    low, high = (at(*total, "coverage_95_monte_carlo", end) for end in (0, 1))
    return Figure(
        f"Share of surveys whose 95 % limits hold the truth, {species}s",
        "the nominal 0.95",
        at(*total, "coverage"),
        0.93,
        interval=lambda document: (low(document), high(document)),
    )


_FLAT, _HILLS = ("seconds", "flat"), ("seconds", "terrain")

BENCHMARKS: tuple[Benchmark, ...] = (
    Benchmark(
        ("planners.py", "--repeats", "3", "--quick"),
        tuple(
            Figure(
                f"Planning in full, {area}: time",
                "opencoverage's bare lines",
                lambda d, area=area: (  # type: ignore[misc]
                    d["areas"][area]["overfly"]["s"] / d["areas"][area]["opencoverage"]["s"]
                ),
                20.0,
                more_is_better=False,
            )
            for area in ("25 km2 square", "112 km2 U, along", "112 km2 U, across")
        ),
        modules=("opencoverage",),
    ),
    Benchmark(
        ("designs.py", "--n", "200"),
        (
            Figure(
                "Designs whose coverage is flat where theory says so",
                "theory, cell by cell",
                over(at("summary", "flat_away_from_edge"), at("summary", "with_a_flat_theory")),
                1.0,
            ),
        ),
        repeated=False,
    ),
    Benchmark(
        ("plan_fleet.py", "--data", "{data}", "--drones", "3"),
        (
            Figure(
                "Time that three drones take for a survey (median of areas)",
                "one drone",
                lambda d: float(np.median([r["ratio_to_one"] for r in rows(d) if r["drones"] == 3])),
                0.5,
                more_is_better=False,
            ),
        ),
        modules=("ortools",),
        data=True,
        repeated=False,
    ),
    Benchmark(
        ("uploads.py", "--uploads", "200", "--items", "200"),
        (
            Figure(
                "Uploads over a link losing a fifth that end exact or refused",
                "all uploads",
                **share(lambda d: d["uploads"] - d["silently different"] - d["unknown"], lambda d: float(d["uploads"])),
                goal=1.0,
            ),
        ),
        repeated=False,
    ),
    Benchmark(
        ("vehicles.py", "--minutes", "2", "--fleet", "50", "--fleet-seconds", "10"),
        (
            Figure(
                "Simulated seconds a second, one vehicle over loopback",
                "real time",
                at("one over loopback in lockstep", "simulated s per wall s"),
                100.0,
            ),
            Figure(
                "Vehicles at real time on one core",
                "one vehicle",
                at("fleet", "vehicles at real time on one core"),
                100.0,
            ),
        ),
    ),
    Benchmark(
        ("metadata.py", "--repeats", "7"),
        (
            Figure(
                "Reading a picture's EXIF and XMP into fields (DJI, 4 MB)",
                "Pillow's EXIF with the XMP left as text",
                over(at("sets", "made", "ms", "overfly tags"), at("sets", "made", "ms", "Pillow, EXIF and raw XMP")),
                3.0,
                more_is_better=False,
            ),
        ),
    ),
    Benchmark(
        ("clock_offsets.py", "--n", "1000"),
        (
            Figure(
                "Camera clocks whose offset is found or refused, never wrong",
                "all surveys",
                **share(lambda d: d["surveys"] - d["wrong"], lambda d: float(d["surveys"])),
                goal=1.0,
            ),
        ),
        repeated=False,
    ),
    Benchmark(
        ("pixel_to_ground.py", "--n", "200000"),
        (
            Figure(
                "Pixels to level ground with covariance: speed",
                "orthority, which gives none",
                at(*_FLAT, "orthority_over_overfly"),
                1.0,
            ),
            Figure(
                "Pixels to a terrain with covariance: speed",
                "orthority, which gives none",
                at(*_HILLS, "orthority_over_overfly"),
                1.0,
            ),
        ),
        modules=("orthority",),
    ),
    Benchmark(
        ("covariance.py", "--n", "100"),
        (
            Figure(
                "Share inside the 95 % ellipse, worst of 18 cases: off by",
                "0.95",
                lambda d: worst_inside(rows(d)),
                0.05,
                more_is_better=False,
            ),
        ),
        repeated=False,
    ),
    Benchmark(
        ("against_sahi.py", "--sahi-python", "{yolo_python}", "--work", "{folder}", "--n", "2"),
        (
            Figure("Pictures of 20 megapixels a second", "SAHI", at("overfly", "times_as_fast"), 3.0),
            Figure("Pictures of 20 megapixels a second with --fast", "SAHI", at("overfly_fast", "times_as_fast"), 3.0),
            Figure(
                "F1 of what is found with --fast, below SAHI by",
                "SAHI on the same frames",
                lambda d: -float(d["overfly_fast"]["f1_difference"]),
                0.01,
                more_is_better=False,
            ),
        ),
        modules=("openvino",),
        yolo_modules=("sahi", "ultralytics"),
    ),
    Benchmark(
        ("big_pictures.py", "--n", "2"),
        (
            Figure(
                "Memory for 100 megapixels",
                "24 megapixels (tiled GeoTIFF)",
                lambda d: peak(d, 100) / peak(d, 24),
                2.5,
                more_is_better=False,
            ),
        ),
        repeated=False,
    ),
    Benchmark(
        ("engine.py", "--n", "40"),
        (
            Figure(
                "Pictures a second on threads",
                "one step after another",
                over(at("threads", "pictures per second"), at("one after another", "pictures per second")),
                1.0,
            ),
            Figure(
                "Pictures a second on threads, from a slow store",
                "one step after another",
                over(
                    at("threads, a store that takes 0.1 s a picture", "pictures per second"),
                    at("one after another, a store that takes 0.1 s a picture", "pictures per second"),
                ),
                1.3,
            ),
        ),
    ),
    Benchmark(
        ("ten_thousand.py", "--n", "400", "--kills", "2", "--folder", "{folder}"),
        (
            Figure(
                "Census after SIGKILLs, pictures missing or changed",
                "one that was never killed",
                lambda d: float(len(d["faults killed"]) + (not d["same census"])),
                0.0,
                more_is_better=False,
            ),
        ),
        repeated=False,
    ),
    Benchmark(
        ("census_scale.py", "--sizes", "10000", "100000"),
        (
            Figure(
                "Writing 100,000 detections with index, hash chain and layers",
                "sqlite3's executemany into a bare table",
                lambda d: float(d["runs"][-1]["insert_over_plain"]),
                10.0,
                more_is_better=False,
            ),
            Figure(
                "Next unseen detection, 100,000 in the census",
                "10,000 in the census",
                lambda d: (
                    d["runs"][-1]["queries_ms"]["next unseen"]["median"]
                    / d["runs"][0]["queries_ms"]["next unseen"]["median"]
                ),
                3.0,
                more_is_better=False,
            ),
            Figure(
                "Counting 100,000 detections in full",
                "ten times the 10,000",
                lambda d: d["runs"][-1]["processor_seconds"]["count"] / d["runs"][0]["processor_seconds"]["count"] / 10,
                1.5,
                more_is_better=False,
            ),
        ),
        repeated=False,
    ),
    Benchmark(
        ("review_scale.py", "--sizes", "260", "100000", "--times", "10"),
        (
            Figure(
                "Next detection on the review page, 100,000 in the census",
                "260 in the census",
                lambda d: d["runs"][-1]["ratios"]["next item"]["worked"],
                3.0,
                more_is_better=False,
            ),
            Figure(
                "Review page and what it reads, 100,000 in the census",
                "260 in the census",
                lambda d: d["runs"][-1]["ratios"]["page and what it reads"]["worked"],
                3.0,
                more_is_better=False,
            ),
        ),
        modules=("fastapi",),
        repeated=False,
    ),
    Benchmark(
        ("identity.py", "--every", "18", "--processes", "2"),
        (
            Figure(
                "Worlds counted within the limits, or said to be untold",
                "all worlds",
                of=lambda d: told_within(d)[0] / told_within(d)[1],
                interval=lambda d: wilson(*told_within(d)),
                goal=1.0,
            ),
            Figure(
                "Median error of the count",
                "merging within a fixed radius",
                lambda d: error(d, "chosen") / max(error(d, "radius"), 1e-9),
                0.25,
                more_is_better=False,
            ),
        ),
        repeated=False,
    ),
    Benchmark(
        ("killed.py", "--times", "30"),
        (Figure("Writing verbs killed in the middle without a fault", "all kills", **share(sound, kills), goal=1.0),),
        repeated=False,
    ),
    Benchmark(
        ("outbox_kill.py", "--n", "20"),
        (
            Figure(
                "Events delivered once though the sender is killed",
                "all events",
                **share(lambda d: d["delivered"] - d["twice"], lambda d: float(d["items"])),
                goal=1.0,
            ),
        ),
        repeated=False,
    ),
    Benchmark(
        ("flights.py", "--flights", "20"),
        (
            Figure(
                "Surveys under random faults seen in full, by resuming",
                "all surveys",
                **share(lambda d: d["surveys"] - d["surveys_not_covered"], lambda d: float(d["surveys"])),
                goal=1.0,
            ),
            Figure(
                "Frames off the lines that were counted as on effort",
                "none, as the simulator knows",
                at("frames_off_line_that_count"),
                0.0,
                more_is_better=False,
            ),
        ),
        repeated=False,
    ),
    Benchmark(
        ("rendering.py", "--n", "10"),
        (
            Figure(
                "Drawing and writing a frame of half a megapixel",
                "writing its JPEG alone",
                at("0.5 MP", "times_the_jpeg_alone"),
                40.0,
                more_is_better=False,
            ),
            Figure(
                "Drawing a frame over hills",
                "over flat ground",
                over(at("0.5 MP", "frames_per_s"), at("0.5 MP, hills", "frames_per_s")),
                2.0,
                more_is_better=False,
            ),
        ),
    ),
    Benchmark(
        ("fuzz.py", "--cases", "40"),
        (
            Figure(
                "Broken files and messages that are read or refused in words",
                "all cases",
                **share(lambda d: float(d["cases"] - d["findings"]), lambda d: float(d["cases"])),
                goal=1.0,
            ),
        ),
        repeated=False,
    ),
    Benchmark(
        ("coverage.py", "--seeds", "150", "--processes", "2"),
        (_coverage("elephant"), _coverage("zebra")),
        repeated=False,
    ),
    Benchmark(
        ("virtual_surveys.py", "coverage", "--runs", "60"),
        (
            Figure(
                "Virtual surveys of six settings whose 95 % limits hold the truth",
                "the nominal 0.95",
                **share(lambda d: of_settings(d, "coverage"), lambda d: of_settings(d, "all")),
                goal=0.93,
            ),
        ),
        repeated=False,
    ),
    Benchmark(
        ("design_precision.py", "--runs", "300"),
        (
            Figure(
                "CVs of surveys that overfly design foretold within a tenth",
                "the CVs that 300 surveys of each of 12 settings delivered",
                **share(at("within_a_tenth"), at("of")),
                goal=0.9,
            ),
        ),
        repeated=False,
    ),
    Benchmark(
        ("mosaic_census.py", "--n", "60"),
        (
            Figure(
                "Counts of mosaics whose 95 % limits hold the truth",
                "the nominal 0.95",
                **share(
                    lambda d: sum(row["limits_hold"] * row["colonies"] for row in d),
                    lambda d: float(sum(row["colonies"] for row in d)),
                ),
                goal=0.93,
            ),
        ),
        repeated=False,
    ),
    Benchmark(
        ("flight_checks.py", "{data}/imagery/brighton_dji", "--n", "10"),
        (
            Figure(
                "Spoilt yaws and heights that are named",
                "all that were spoilt",
                **share(of_faults("named"), of_faults("spoilt")),
                goal=0.9,
            ),
            Figure(
                "Sound yaws and heights that are named",
                "none, as they are sound",
                of_faults("named_wrongly"),
                0.0,
                more_is_better=False,
            ),
        ),
        data=True,
        repeated=False,
    ),
)
