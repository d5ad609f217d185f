"""The units people read: which multiple of a base unit a value is shown in, and with how many digits.

Memory is binary (GiB, never GB); bandwidth and operation rates are decimal.
"""

from typing import NamedTuple


class Shown(NamedTuple):
    """A display unit: value / `divisor`, up to `decimals` digits, the name of `code`; `whole` rounds down."""

    code: str | None
    divisor: float
    decimals: int
    grouping: bool = True
    whole: bool = False


GIB, MIB, KIB = 2.0**30, 2.0**20, 2.0**10


def _bytes(size: float) -> Shown:
    if size > 0.25 * GIB:  # a cache of 128 MiB is not 0.12 GiB
        return Shown("unit.gib", GIB, 2 if size < 100 * GIB else 1)
    if size >= 0.5 * MIB:
        return Shown("unit.mib", MIB, 1)
    if size >= KIB:
        return Shown("unit.kib", KIB, 1)
    return Shown("unit.byte", 1, 1)


HOUR, DAY = 3600, 86_400


def _seconds(size: float) -> Shown:
    for code, length in (("unit.day", DAY), ("unit.hour", HOUR)):
        if size >= 2 * length:
            return Shown(code, length, 1)
    if size >= 1:
        return Shown("unit.second", 1, 2 if size < 100 else 0)
    if size >= 1e-3:
        return Shown("unit.millisecond", 1e-3, 1)
    return Shown("unit.microsecond", 1e-6, 1)


def _rate_decimals(size: float) -> int:
    """Digits of a measured or computed rate: two or three significant ones, never none."""
    if size >= 10:
        return 0
    return 1 if size >= 1 else 2


def shown(unit: str, value: float) -> Shown:
    """How a value of a base unit is shown."""
    size = abs(value)
    if unit == "B":
        return _bytes(size)
    if unit == "s":
        return _seconds(size)
    if unit == "token/s":
        return Shown("unit.token_per_s", 1, _rate_decimals(size))
    if unit in ("B/s", "FLOP/s", "OP/s"):
        code = {"B/s": "unit.gb_per_s", "FLOP/s": "unit.tflop_per_s", "OP/s": "unit.top_per_s"}[unit]
        divisor = 1e9 if unit == "B/s" else 1e12
        return Shown(code, divisor, 1 if size / divisor >= 10 else 2)
    if unit == "parameter":
        return Shown("unit.billion", 1e9, 1 if size >= 1e10 else 2) if size >= 1e9 else Shown("unit.million", 1e6, 1)
    fixed = {
        "Hz": Shown("unit.mhz", 1e6, 0, grouping=False),
        "W": Shown("unit.watt", 1, 0 if size >= 10 else 1),
        "token": Shown("unit.token", 1, 0, whole=True),
        "sequence": Shown(None, 1, 0, whole=True),
        "instance": Shown(None, 1, 0, whole=True),
        "multiprocessor": Shown(None, 1, 0),
        "FLOP/clock": Shown("unit.flop_per_clock", 1, 0),
        "": Shown(None, 1, 0),
        "ratio": Shown(None, 1, 3),
    }
    # A price of a kilowatt hour is shown as its owner wrote it.
    return fixed.get(unit) or Shown(unit, 1, 4 if size < 10 else 2)
