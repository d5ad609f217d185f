"""Codes of the number formats that matrix instructions read and write: what a code is worth, and the nearest code.

The formats are those of IEEE 754, of the OCP specifications of FP8 and of microscaling formats, and of NVIDIA's
PTX ISA (BF16, TF32, UE4M3).
"""

import math
import random
import struct
from bisect import bisect_left
from functools import cache
from typing import NamedTuple


class Float(NamedTuple):
    """A binary floating-point format.

    Attributes:
        exponent, mantissa: bits of each.
        bias: of the exponent.
        special: codes with all exponent bits set are infinities and NaN (`ieee`), only the last code is NaN (`last`),
            or all codes are numbers (`none`).
        signed: whether the bit above the exponent is a sign.
        padding: unused bits below the mantissa.
    """

    exponent: int
    mantissa: int
    bias: int
    special: str = "ieee"
    signed: bool = True
    padding: int = 0

    @property
    def bits(self) -> int:
        """Bits of a code, padding left out."""
        return self.exponent + self.mantissa + self.signed


FLOATS = {
    "f64": Float(11, 52, 1023),
    "f32": Float(8, 23, 127),
    "tf32": Float(8, 10, 127, padding=13),
    "bf16": Float(8, 7, 127),
    "f16": Float(5, 10, 15),
    "e5m2": Float(5, 2, 15),
    "e4m3": Float(4, 3, 7, "last"),
    "e3m2": Float(3, 2, 3, "none"),
    "e2m3": Float(2, 3, 1, "none"),
    "e2m1": Float(2, 1, 1, "none"),
    "ue4m3": Float(4, 3, 7, "last", signed=False),
    "ue8m0": Float(8, 0, 127, "last", signed=False),
}
INTEGERS = {"s8": (8, True), "u8": (8, False), "s4": (4, True), "u4": (4, False), "b1": (1, False), "s32": (32, True)}
"""Bits of each, and whether it has a sign."""
NARROW_BITS = 8
"""Formats of at most so many bits are searched for their nearest code; wider ones are rounded by `struct`."""


def decode(form: str, code: int) -> float:
    """What a code is worth; a NaN and infinities are floats too."""
    if form in INTEGERS:
        bits, signed = INTEGERS[form]
        return float(code - (1 << bits) if signed and code >> (bits - 1) else code)
    shape = FLOATS[form]
    code >>= shape.padding
    fraction = code & ((1 << shape.mantissa) - 1)
    exponent = code >> shape.mantissa & ((1 << shape.exponent) - 1)
    sign = -1.0 if shape.signed and code >> (shape.bits - 1) else 1.0
    highest = (1 << shape.exponent) - 1
    if shape.special == "ieee" and exponent == highest:
        return math.nan if fraction else sign * math.inf
    if shape.special == "last" and exponent == highest and fraction == (1 << shape.mantissa) - 1:
        return math.nan
    if exponent or not shape.mantissa:  # a format without a mantissa has no subnormal numbers
        return sign * math.ldexp((1 << shape.mantissa) | fraction, exponent - shape.bias - shape.mantissa)
    return sign * math.ldexp(fraction, 1 - shape.bias - shape.mantissa)


def width(form: str) -> int:
    """Bits of a code, padding included."""
    if form in INTEGERS:
        return INTEGERS[form][0]
    return FLOATS[form].bits + FLOATS[form].padding


@cache
def codes(form: str) -> tuple[tuple[float, int], ...]:
    """(value, code) of every number of a format of at most 8 bits, in order, each value once."""
    found: dict[float, int] = {}
    for code in range(1 << width(form)):
        value = decode(form, code)
        if math.isfinite(value):
            found.setdefault(value, code)  # zero comes before its negative
    return tuple(sorted(found.items()))


def encode(form: str, value: float) -> int:
    """The code nearest to a value, which is taken to lie within the format's range."""
    if form == "f64":
        return int.from_bytes(struct.pack("<d", value), "little")
    if form == "f16":
        return int.from_bytes(struct.pack("<e", value), "little")
    if form in ("f32", "tf32", "bf16"):
        dropped = 23 - FLOATS[form].mantissa
        whole = int.from_bytes(struct.pack("<f", value), "little")
        rounded = whole + ((1 << dropped) >> 1) >> dropped << dropped
        return rounded >> (32 - width(form))
    table = codes(form)
    place = bisect_left(table, (value, 0))
    near = table[max(place - 1, 0) : place + 1]
    return min(near, key=lambda one: abs(one[0] - value))[1]


def negated(form: str, code: int) -> int:
    """The code of the value with its sign changed; of a format without sign, the code itself."""
    if form in FLOATS:
        shape = FLOATS[form]
        return code ^ (1 << (shape.bits - 1 + shape.padding)) if shape.signed else code
    bits, signed = INTEGERS[form]
    return -code & ((1 << bits) - 1) if signed else code


def drawn(form: str, dice: random.Random) -> int:
    """A random code: of normally distributed values for floating-point formats, evenly spread for integers.

    The lowest number of a signed integer format is left out: it has no negative.
    """
    if form in FLOATS:
        return encode(form, dice.gauss(0.0, 1.0))
    bits, signed = INTEGERS[form]
    code = dice.getrandbits(bits)
    return 0 if signed and code == 1 << (bits - 1) else code
