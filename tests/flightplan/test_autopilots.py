"""ArduPilot and PX4, copter and plane: told apart by heartbeat, and each spoken to as it wants."""

import struct
from types import SimpleNamespace

import pytest

from flightplan.vehicle.autopilots import Airframe, Dialect, Firmware

ARDUPILOT, PX4 = 3, 12


def dialect(vehicle_type: int, autopilot: int) -> Dialect:
    return Dialect.of(SimpleNamespace(type=vehicle_type, autopilot=autopilot))


@pytest.mark.parametrize(
    ("vehicle_type", "autopilot", "firmware", "airframe"),
    [
        (2, ARDUPILOT, Firmware.ARDUPILOT, Airframe.MULTIROTOR),
        (13, ARDUPILOT, Firmware.ARDUPILOT, Airframe.MULTIROTOR),
        (1, ARDUPILOT, Firmware.ARDUPILOT, Airframe.PLANE),
        (2, PX4, Firmware.PX4, Airframe.MULTIROTOR),
        (22, PX4, Firmware.PX4, Airframe.VTOL),
        (10, ARDUPILOT, Firmware.ARDUPILOT, Airframe.OTHER),  # a ground rover
        (2, 0, Firmware.OTHER, Airframe.MULTIROTOR),
    ],
)
def test_a_heartbeat_tells_who_it_is(vehicle_type, autopilot, firmware, airframe) -> None:
    told = dialect(vehicle_type, autopilot)
    assert (told.firmware, told.airframe) == (firmware, airframe)


@pytest.mark.parametrize(
    ("vehicle_type", "autopilot", "number", "name"),
    [
        (2, ARDUPILOT, 3, "AUTO"),
        (2, ARDUPILOT, 6, "RTL"),
        (2, ARDUPILOT, 17, "BRAKE"),
        (2, ARDUPILOT, 77, "mode 77"),
        (1, ARDUPILOT, 10, "AUTO"),
        (1, ARDUPILOT, 11, "RTL"),
        (1, ARDUPILOT, 12, "LOITER"),
        (2, PX4, 4 << 16 | 4 << 24, "MISSION"),
        (2, PX4, 4 << 16 | 5 << 24, "RTL"),
        (2, PX4, 4 << 16 | 3 << 24, "LOITER"),
        (2, PX4, 3 << 16, "POSCTL"),
        (2, PX4, 9 << 16, "mode 9.0"),
    ],
)
def test_the_same_number_is_another_mode_on_another_vehicle(vehicle_type, autopilot, number, name) -> None:
    assert dialect(vehicle_type, autopilot).mode_name(number) == name


@pytest.mark.parametrize(
    ("vehicle_type", "autopilot", "orders"),
    [
        (
            2,
            ARDUPILOT,
            {"pause": (193, (0,)), "resume": (193, (1,)), "return_home": (176, (1, 6)), "land": (176, (1, 9))},
        ),
        (
            1,
            ARDUPILOT,
            {"pause": (176, (1, 12)), "resume": (176, (1, 10)), "return_home": (176, (1, 11)), "land": (189, ())},
        ),
        (20, ARDUPILOT, {"land": (176, (1, 20))}),
        (
            2,
            PX4,
            {
                "pause": (176, (1, 4, 3)),
                "resume": (176, (1, 4, 4)),
                "return_home": (176, (1, 4, 5)),
                "land": (176, (1, 4, 6)),
            },
        ),
    ],
)
def test_each_is_ordered_about_in_its_own_way(vehicle_type, autopilot, orders) -> None:
    told = dialect(vehicle_type, autopilot)
    for name, (command, params) in orders.items():
        order = getattr(told, name)()
        assert (order.command, order.params) == (command, params), name


@pytest.mark.parametrize(
    ("kind", "form", "value"), [(6, "<i", -7), (6, "<i", 100_000), (2, "<bxxx", 3), (4, "<hxx", -2)]
)
def test_px4_puts_the_bytes_of_a_whole_number_into_the_float_and_ardupilot_the_number(kind, form, value) -> None:
    bits = struct.unpack("<f", struct.pack(form, value))[0]
    px4 = dialect(2, PX4)
    assert px4.parameter_value(bits, kind) == value
    assert struct.pack("<f", px4.parameter_field(value, kind)) == struct.pack(form, value)
    assert dialect(2, ARDUPILOT).parameter_value(float(value), kind) == value
    assert px4.parameter_value(1.5, 9) == 1.5
