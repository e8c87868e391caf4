"""A mission as overfly plans it, and the items that it is made of."""

from hypothesis import HealthCheck, settings

from flightplan.mission import FenceCircle, FencePolygon, Frame, Mission, MissionItem, RallyPoint

quiet = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


# What overfly plans: take-off, speed, a way in, two triggered lines, the way home, return ---------------------------


def waypoint(lon: float, lat: float, transect: str | None = None) -> MissionItem:
    return MissionItem(16, Frame.GLOBAL_RELATIVE_ALT, (0.0,) * 4, lon, lat, 80.0, transect)


def command(command: int, *params: float, transect: str | None = None) -> MissionItem:
    first = (*params, 0.0, 0.0, 0.0, 0.0)[:4]
    return MissionItem(command, Frame.MISSION, first, transect=transect)


SURVEY = Mission(
    items=(
        MissionItem(22, Frame.GLOBAL_RELATIVE_ALT, (0.0,) * 4, 34.83, -2.33, 80.0),
        command(178, 1.0, 12.0, -1.0),
        waypoint(34.8312345678912, -2.3298765432198),
        command(206, 57.6, 0.0, 1.0, transect="woodland-01"),
        waypoint(34.8312345678912, -2.3398765432198, "woodland-01"),
        command(206),
        waypoint(34.8332345678912, -2.3398765432198),
        command(206, 57.6, 0.0, 1.0, transect="woodland-02"),
        waypoint(34.8332345678912, -2.3298765432198, "woodland-02"),
        command(206),
        command(20),
    ),
    home=(34.83, -2.33),
    home_altitude_msl_m=1523.25,
    fence=(
        FencePolygon(((34.82, -2.32), (34.84, -2.32), (34.84, -2.35), (34.82, -2.35)), True),
        FencePolygon(((34.831, -2.331), (34.832, -2.331), (34.8315, -2.332)), False),
    ),
    rally=(RallyPoint(34.83, -2.33, 60.0),),
    cruise_speed_mps=12.0,
    fence_circles=(FenceCircle(34.835, -2.335, 150.0, False),),
)
