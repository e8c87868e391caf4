"""Sentences that the census keeps in English, so that a report in another language can say them too.

Estimators, effort and stores write down why something is not known at the time they find out. Here are those sentences
as messages, with named placeholders where a number or a name stands; `match_stored` finds the one that a text was made
from. Being listed here is what puts them into the catalogues.
"""

from __future__ import annotations

import re
from functools import cache


def marked(message: str) -> str:
    """Mark a message for the catalogue; it is translated where it is said."""
    return message


STORED = (
    # Estimators.
    marked("none seen in any stratum"),
    marked("none seen in {n} units: their spread says nothing about what was missed"),
    marked("none seen"),
    marked("one unit has no spread: limits need at least two"),
    marked("one line has no spread: limits need at least two"),
    marked("every unit gave the same, so the sample holds no measure of its error"),
    marked("every possible unit was searched: no sampling error, and detection was not measured"),
    marked("all {n} units gave the same density, so the sample holds no measure of its error"),
    marked("all {n} lines gave the same rate, so the sample holds no measure of its error"),
    marked("a total count has no sampling error, and its detection was not measured"),
    marked("not searched: {place}"),
    marked("no area was searched"),
    marked("{name}: none seen, counted as 0 without error of its own"),
    marked("every unit was verified: nothing is left to estimate"),
    marked("no error was found in the subsample: its spread says nothing about rare ones"),
    marked("animals that neither observer could see are not in it: with unequal visibility it is too low"),
    marked(
        "a density surface takes segments as independent: where herds are larger than one its limits are too narrow"
    ),
    # Which variance between transects.
    marked("variance between lines: a random sample's, as the lines were drawn"),
    marked("variance between segments: a random sample's, which is on the safe side where neighbours are alike"),
    marked("variance between legs: a random sample's, which is on the safe side where neighbours are alike"),
    marked("variance between transects: a random sample's, for how they were chosen is not known"),
    marked("variance between lines: a random sample's, for fewer than {n} show no trend"),
    marked("variance between lines: a random sample's, for no trend across them is evident"),
    marked("variance between lines: a random sample's, whose limits are on the safe side, for {evidence}"),
    marked("variance between neighbouring lines (O2), for {evidence}"),
    marked("density rises across them (rank correlation {correlation}, p {p})"),
    marked("density falls across them (rank correlation {correlation}, p {p})"),
    # Corrections.
    marked("no error was found in the sample: its spread says nothing about rare ones"),
    marked("one capture holds {share} of the animals verified: one herd dominates"),
    marked("only {n} of {size} captures without detections were verified: missed herds may hide there"),
    marked("not corrected for detection: {reason}"),
    marked("the census counted none, so there is nothing to correct"),
    marked("the verified captures say that none of the individuals counted was an animal"),
    marked("{n} of {size} captures without detections verified: at least two are needed"),
    marked("{n} of {size} captures with detections verified: at least two are needed"),
    marked("a group of {n} stood where nothing was detected: the error may be larger than stated"),
    marked(
        "the design has no number of possible transects: N is the stratum's area over the mean area searched in one"
    ),
    marked("stratified difference"),
    marked("stratified ratio"),
    marked("{method}; {correction} correction"),
    marked("{n} of {size} frames on effort of {survey}, drawn at random and checked by {who}"),
    marked("the simulator, in place of a person"),
    marked("detection"),
    marked("availability"),
    marked("mark-resight"),
    marked("marks at cameras"),
    marked("collared animals in the pictures"),
    marked("collars in the pictures of {survey}: {found} of {present} found, {animals} animals"),
    marked("{found} of {present} times that a collared animal was in view it was found"),
    marked("{said}; not asked for: overfly count --marks"),
    marked("{again} of {seen} animals at camera traps were among the {marked} marked in the area"),
    marked("an estimate of its own, to be set beside the count: {said}"),
    # Effort, and why a picture counts for none.
    marked("{transect}: {area} m² of its strip were not seen"),
    marked("{transect}: no capture on effort"),
    marked("no position is known"),
    marked("taken in a turn, a climb or on the ground"),
    marked("height above ground outside the limits, or unknown"),
    marked("too far to the side of every transect"),
    marked("beyond the end of its transect"),
    marked("flown across its transect, not along it"),
    marked("its footprint on the ground is unknown"),
    marked("reason not recorded"),
    marked("no GPS position"),
    marked("blurred"),
    # Individuals, and what a plan warned of.
    marked("gated assignment within a transect"),
    marked("heights are above the launch site: right over flat ground only, no elevation was given"),
    marked(
        "{area} ha cannot be seen: no line may pass close enough (beside exclusions and their buffer, mostly); an "
        "estimate for that ground is an extrapolation"
    ),
    # Surfaces, mosaics and marks.
    marked("{stratum}: a surface of {segments} segments of {lines} transects over {cells} cells"),
    marked("{share} of the cells lie beyond what was sampled: there the nearest sampled is taken"),
    marked("{seen} animals were seen, more than the upper limit of {upper}: the two do not fit each other"),
    marked("precision or recall is not measured: no verified detection was true, or no animal was found again"),
    marked("no marked animal was in the area"),
    marked("no camera saw the species"),
    marked("no marked animal was seen again"),
    marked("{stratum}: the mosaics show {share} of it; {area} m² that none shows are not in the number"),
    marked(
        "{area} m² are shown by more than one mosaic: the one with the finer ground resolution counts there, of equals "
        "the one brought in last"
    ),
    marked("{number} lines were planned: they are not the units of a count by mosaic"),
    marked("no mosaic shows any of it"),
    marked("the survey has no design: there is no telling what share of the area was seen"),
    marked("when {surveys} was flown is not known"),
    marked("{survey}: no estimate"),
    # Pictures that could not be used.
    marked("not a JPEG, PNG or TIFF picture"),
    marked("the same picture is in the survey as {other}"),
    marked("kept, but not placed on the ground: {reason}"),
    marked("its camera is unknown ({reason})"),
    marked("a folder that is named like a picture; what is in it was read"),
    marked("the file ends before the picture does"),
    marked("The picture is cut short: its data never ends"),
    marked("The picture is cut short: its lower part is missing ({reason})"),
    marked("The picture is damaged or cut short ({reason})"),
    marked("The file is empty. Copy it from the card again."),
    marked("The picture's header cannot be read ({reason}). Copy it from the card again."),
    marked("This is not a JPEG, PNG or TIFF picture"),
    marked(
        "The file is not the picture that was brought in: its content is another. Bring it in again, or put the"
        " picture back."
    ),
    # Poses made better by overlapping pictures.
    marked(
        "{flight}: Overlapping pictures put the same ground {before} m apart (median); with position and attitude of "
        "{number} captures adjusted to {matches} matches it is {after} m, over matches kept out"
    ),
    marked("{flight}: The pictures contradict the yaw of {number} captures by 180°: {pictures}"),
    marked("{flight}: The pictures contradict the yaw of {number} captures by 90° clockwise: {pictures}"),
    marked("{flight}: The pictures contradict the yaw of {number} captures by 90° anticlockwise: {pictures}"),
    marked(
        "{flight}: The ground in the pictures is {share} ± {error} larger than heights and focal length say: at"
        " {height} m that is {off} m of height above the ground"
    ),
    marked(
        "{flight}: The ground in the pictures is {share} ± {error} smaller than heights and focal length say: at "
        "{height} m that is {off} m of height above the ground"
    ),
    marked(
        "{flight}: The size at which {number} captures show the ground contradicts their heights ({rises}): {pictures}"
    ),
    marked("The camera is turned in its mount by yaw {yaw}°, pitch {pitch}°, roll {roll}°, as was said"),
    marked("flight log {logs} ({records})"),
    marked("flight log {logs} ({records}), camera angles of its mount"),
    marked("flight log {logs} ({records}), airframe, camera looking down"),
    # Flights and stages.
    marked("planned"),
    marked("flown"),
    marked("cut short"),
    marked("ingest"),
    marked("detect"),
    marked("count"),
    # Estimators by name.
    marked("total count"),
    marked("lognormal"),
    # What surveys do not do alike.
    marked("area"),
    marked("design"),
    marked("line spacing, m"),
    marked("strip width, m"),
    marked("camera"),
    marked("pixel on the ground, cm"),
    marked("height above ground, m"),
    marked("detector"),
    marked("threshold"),
    marked("identity"),
    marked("season"),
    marked("time of year"),
    marked("stratum {name}"),
    marked("corrections of {name}"),
    marked("estimator of {name}"),
    marked("unknown"),
    marked("none"),
    marked("not there"),
    marked("systematic"),
    marked("full"),
    marked("zigzag"),
    marked("complementary-zigzag"),
    marked("segmented"),
    marked("random"),
    marked("unknown: no design"),
    marked("day {day} of the year"),
    marked("the areas of {first} and {second} are not the same ground"),
    marked("the strata {name} of {first} and {second} are not the same ground"),
    marked("{first} and {second} do not both have an area that is known"),
    marked("{first} and {second} do not both have a stratum {name}"),
    marked("{survey} has no estimate of it"),
    marked("{survey}: none seen, so there is no error to compare by"),
    marked("{survey}: its error is not known"),
    marked("{first} and {second} are of different ground: the change is not one in animals alone"),
    marked(
        "{first} and {second} differ in {what}, and {species} was not corrected for what was missed in both: a change "
        "in what is seen looks like one in animals"
    ),
    marked("the {kind} correction is one measurement used in several surveys: its error is counted once"),
)


def match_stored(text: str) -> tuple[str, dict[str, str]] | None:
    """Return the message that a stored sentence was made from, with what fills its placeholders; None for no match."""
    if text in _constants():
        return text, {}
    for pattern, message in _patterns():
        found = pattern.fullmatch(text)
        if found:
            return message, found.groupdict()
    return None


@cache
def _constants() -> frozenset[str]:
    return frozenset(message for message in STORED if "{" not in message)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    # The more a message says of itself, the earlier it is tried.
    messages = sorted((m for m in STORED if "{" in m), key=lambda m: -len(re.sub(r"\{\w+\}", "", m)))
    return tuple((re.compile(_expression(m)), m) for m in messages)


def _expression(message: str) -> str:
    parts = re.split(r"\{(\w+)\}", message)
    return "".join(f"(?P<{part}>.+?)" if i % 2 else re.escape(part) for i, part in enumerate(parts))
