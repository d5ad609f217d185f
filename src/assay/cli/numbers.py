"""Numbers of the command line: whole ones from a least value, and tokens, which people write as 32k and 1m."""

import re
from typing import TYPE_CHECKING

import click

from assay.errors import UsageError
from assay.types.message import Message, message

MOST = 2**53
"""Beyond this a number is a slip of the hand, and JSON's readers would round it."""
FACTORS = {"": 1, "k": 2**10, "m": 2**20}
"""Binary, as contexts are: 32k is 32,768, and 128k what a model card calls 128K (131,072)."""
DECIMAL = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
SPELLED = re.compile(r"([0-9]{1,18})\s*([kmкм]?)", re.IGNORECASE)
CYRILLIC = str.maketrans("км", "km")


if TYPE_CHECKING:
    Whole = click.ParamType[int]
    Fraction = click.ParamType[object]
    Rungs = click.ParamType[tuple[int, ...]]
else:
    Whole = Fraction = Rungs = click.ParamType  # takes no parameter before click 8.2


def decimal(text: str) -> float | None:
    """The decimal number in a text, with a point or a comma; None where there is none."""
    return float(text.replace(",", ".")) if re.fullmatch(r"[0-9]{1,15}(?:[.,][0-9]{1,15})?", text) else None


def _bad(param: click.Parameter | None, value: object) -> Message:
    option = max(param.opts, key=len) if param is not None else "?"
    return message("error.bad_number", option=option, value=str(value))


class Count(Whole):
    """A whole number not below `least`."""

    name = "number"

    def __init__(self, least: int) -> None:
        self.least = least

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ARG002 -- click's signature
        """The number that was typed.

        Raises:
            UsageError: it is none, or too small or too large.
        """
        found = self.read(str(value).strip())
        if found is None or not self.accepts(found):
            raise UsageError(_bad(param, value), self.hint())
        return found

    def accepts(self, value: int) -> bool:
        """Whether a number is neither too small nor too large."""
        return self.least <= value <= MOST

    def read(self, text: str) -> int | None:
        """The number in a text, None where there is none."""
        return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None

    def hint(self) -> Message:
        """What would be right."""
        return message("hint.whole_number", least=self.least)


class Tokens(Count):
    """A number of tokens: 32768, 32k, 1m; k and m are binary."""

    name = "tokens"

    def read(self, text: str) -> int | None:
        """The tokens in a text, None where there are none."""
        match = SPELLED.fullmatch(text)
        return None if match is None else int(match[1]) * FACTORS[match[2].lower().translate(CYRILLIC)]

    def hint(self) -> Message:
        """What would be right."""
        return message("hint.tokens")


class Billions(Count):
    """Tokens of a whole training run: 2000000000, 300M, 2B, 15T; the letters are decimal, as papers write them."""

    name = "tokens"

    def read(self, text: str) -> int | None:
        """The tokens in a text, None where there are none."""
        match = re.fullmatch(r"([0-9]{1,16}(?:\.[0-9]{1,6})?)\s*([KMBT]?)", text, re.IGNORECASE)
        return None if match is None else round(float(match[1]) * DECIMAL[match[2].upper()])

    def hint(self) -> Message:
        """What would be right."""
        return message("hint.billions")


AT_LEAST_ZERO = Count(0)
AT_LEAST_ONE = Count(1)
TOKENS = Tokens(1)
BILLIONS = Billions(1)


class Rate(Fraction):
    """A speed in tokens a second, above zero."""

    name = "rate"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ARG002 -- click's signature
        """The speed that was typed.

        Raises:
            UsageError: it is none, or not above zero.
        """
        found = decimal(str(value).strip())
        if found is None or not 0 < found <= MOST:
            raise UsageError(_bad(param, value), message("hint.rate"))
        return found


class Loss(Fraction):
    """The most that may be lost, in per cent, by one protocol or by each: `1`, `0.5%`, `mmlu:1%`."""

    name = "loss"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,  # noqa: ARG002 -- click's signature
    ) -> tuple[str | None, float]:
        """(the protocol or None, the share) that was typed.

        Raises:
            UsageError: no percentage.
        """
        if isinstance(value, tuple):
            return value
        protocol, _, share = str(value).strip().rpartition(":")
        found = decimal(share.removesuffix("%").strip())
        if found is None or not 0 <= found <= 100:
            raise UsageError(_bad(param, value), message("hint.loss"))
        return protocol or None, found / 100


class Ladder(Rungs):
    """Whole numbers from 1 on, separated by commas: `1,2,4,8`."""

    name = "numbers"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, ...]:
        """The numbers that were typed.

        Raises:
            UsageError: one of them is none, or too small or too large.
        """
        if isinstance(value, tuple):
            return value
        return tuple(AT_LEAST_ONE.convert(part, param, ctx) for part in str(value).split(","))


RATE, LOSS = Rate(), Loss()
