"""What the user says once instead of every time: the card, the host memory, the price of power, the language.

The card's name is identified when it is written and kept as an id, so that a later edition with a similar
name cannot change what is meant.
"""

import re
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from assay.errors import MalformedFile, NoGpu, UnknownGpu, UsageError
from assay.observe import profile as file
from assay.types.gpu import Identification
from assay.types.message import Message, message
from assay.types.quantity import Quantity, exact, unknown

Value = str | int | float
GIB = 2.0**30
HEADER = "# What Assay may take for granted about you and your machine.\n"
LANGUAGES = ("en", "ru")
SOURCE = "profile"


class Profile(NamedTuple):
    """The profile; None where it says nothing.

    Attributes:
        gpu: cards by id, as one writes them in a question: `geforce-rtx-5090`, `2x geforce-rtx-5090`, `A +
            B`.
        ram_gib, ram_bandwidth_gb_s: host memory in GiB, its bandwidth in GB/s (decimal).
        electricity_per_kwh: price of a kilowatt hour in `currency`.
        currency: ISO 4217 code.
        language: `en` or `ru`.
    """

    gpu: str | None = None
    ram_gib: float | None = None
    ram_bandwidth_gb_s: float | None = None
    electricity_per_kwh: float | None = None
    currency: str | None = None
    language: str | None = None

    @property
    def ram(self) -> Quantity:
        """Host memory in B; assumed, because the user says it and nobody has looked."""
        return _figure(self.ram_gib, GIB, "B", "unknown.profile_ram")

    @property
    def ram_bandwidth(self) -> Quantity:
        """Bandwidth of the host memory in B/s; assumed, for the same reason."""
        return _figure(self.ram_bandwidth_gb_s, 1e9, "B/s", "unknown.profile_ram_bandwidth")

    @property
    def electricity(self) -> Quantity:
        """Price of a kilowatt hour, unit `EUR/kWh` and the like; assumed, for the same reason."""
        unit = f"{self.currency or '?'}/kWh"
        return _figure(self.electricity_per_kwh, 1, unit, "unknown.profile_electricity")


class ProfileAnswer(NamedTuple):
    """The profile, where it lies, and what was done to it."""

    path: Path
    profile: Profile
    done: Message | None = None


def _figure(value: float | None, factor: float, unit: str, reason: str) -> Quantity:
    return unknown(unit, message(reason)) if value is None else exact(value * factor, unit, "assumed", SOURCE)


def _refused(name: str, value: object, code: str) -> UsageError:
    return UsageError(message("error.profile_value", name=name, value=str(value)), message(code), field=name)


def _positive(name: str, value: Value) -> float:
    try:
        number = float(str(value).replace(",", "."))
    except ValueError:
        number = 0.0
    if isinstance(value, bool) or not isfinite(number) or number <= 0:
        raise _refused(name, value, "hint.profile_positive")
    return int(number) if number.is_integer() else number


def _currency(name: str, value: Value) -> str:
    if not re.fullmatch(r"[A-Za-z]{3}", str(value)):
        raise _refused(name, value, "hint.profile_currency")
    return str(value).upper()


def _language(name: str, value: Value) -> str:
    if value not in LANGUAGES:
        raise _refused(name, value, "hint.profile_language")
    return str(value)


def _identify(query: str) -> Identification:
    from assay.knowledge.identity.identify import identify  # noqa: PLC0415 -- only writing a card needs all names

    return identify(query)


def _card(query: str) -> str:
    """One card, identified: its id, with the count in front where there are several.

    Raises:
        UnknownGpu: not known, or ambiguous; `candidates` holds what it may be.
    """
    found = _identify(query)
    if found.match == "exact":
        return found.candidates[0] if found.count == 1 else f"{found.count}x {found.candidates[0]}"
    if found.match == "ambiguous":
        names = ", ".join(found.candidates)
        raise UnknownGpu(
            message("error.profile_gpu_ambiguous", query=query, count=len(found.candidates)),
            message("hint.profile_gpu_ambiguous", candidates=names),
            field="gpu",
            candidates=found.candidates,
        )
    near = ", ".join(found.suggestions)
    hint = message("hint.did_you_mean", names=near) if near else message("hint.unknown_gpu")
    raise UnknownGpu(message("error.unknown_gpu", query=query), hint, field="gpu", candidates=found.suggestions)


def _cards(_name: str, value: Value) -> str:
    return " + ".join(_card(part) for part in re.split(r"\s+\+\s+", str(value).strip()))


def _stored_cards(name: str, value: Value) -> str:
    """A card as it stands in the file: ids are looked up when they are used, and an edited name as well."""
    if not isinstance(value, str) or not value.strip():
        raise _refused(name, value, "hint.profile_gpu")
    return value


SETTINGS: dict[str, Callable[[str, Value], Value]] = {
    "gpu": _cards,
    "ram-gib": _positive,
    "ram-bandwidth-gb-s": _positive,
    "electricity-per-kwh": _positive,
    "currency": _currency,
    "language": _language,
}
"""Every setting with what makes a value of what was typed; the keys are those of the file."""


def _field(name: str) -> str:
    return name.replace("-", "_")


def _checked(raw: Mapping[str, Any], path: Path) -> Profile:
    """The settings as a profile.

    Raises:
        MalformedFile: a setting that does not exist, or a value that it cannot have.
    """
    found: dict[str, Any] = {}
    for name, value in raw.items():
        if name not in SETTINGS:
            raise MalformedFile(
                message("error.profile_unknown_setting", file=str(path), name=name),
                message("hint.profile_settings", names=", ".join(SETTINGS)),
                file=str(path),
                field=name,
            )
        check = _stored_cards if name == "gpu" else SETTINGS[name]
        try:
            found[_field(name)] = check(name, value)
        except UsageError as error:
            raise MalformedFile(error.message, error.hint, file=str(path), field=name) from error
    return Profile(**found)


def load(path: Path | None = None) -> Profile:
    """The user's profile; an empty one where there is no file.

    Raises:
        UnreadableFile, MalformedFile: the file is there and cannot be used.
    """
    where = path or file.profile_path()
    return _checked(file.parse(file.read_text(where), where), where)


def show() -> ProfileAnswer:
    """The profile and where it lies."""
    path = file.profile_path()
    return ProfileAnswer(path, load(path))


def _known(name: str) -> str:
    """The setting's name as the file has it; `ram_gib` is taken for `ram-gib`.

    Raises:
        UsageError: there is no such setting.
    """
    key = name.strip().lower().replace("_", "-")
    if key not in SETTINGS:
        raise UsageError(
            message("error.profile_no_setting", name=name),
            message("hint.profile_settings", names=", ".join(SETTINGS)),
            field=name,
        )
    return key


def _line(name: str, value: Value) -> str:
    if not isinstance(value, str):
        return f"{name} = {value}"
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name} = "{quoted}"'


def _with_line(text: str, name: str, line: str | None) -> str:
    """The file's text with one setting replaced, added or (None) removed; the user's comments stay."""
    pattern = re.compile(rf"^[ \t]*{re.escape(name)}[ \t]*=.*\n?", re.MULTILINE)
    if pattern.search(text):
        return pattern.sub(lambda _: f"{line}\n" if line else "", text, count=1)
    if line is None:
        return text
    begun = text if text.endswith("\n") or not text else text + "\n"
    return f"{begun or HEADER}{line}\n"


def change(name: str, value: str) -> ProfileAnswer:
    """Set one setting, after its value was checked (a card: identified).

    Raises:
        UsageError, UnknownGpu: the setting or the value cannot be.
        UnreadableFile, MalformedFile, PermissionRefused: the file.
    """
    key, path = _known(name), file.profile_path()
    text = file.read_text(path)
    _checked(file.parse(text, path), path)
    new = SETTINGS[key](key, value)
    text = _with_line(text, key, _line(key, new))
    profile = _checked(file.parse(text, path), path)
    file.write_text(path, text)
    return ProfileAnswer(path, profile, message("profile.set", name=key, value=str(new)))


def remove(name: str) -> ProfileAnswer:
    """Take one setting out; it is no error when it was not set.

    Raises:
        UsageError: there is no such setting.
        UnreadableFile, MalformedFile, PermissionRefused: the file.
    """
    key, path = _known(name), file.profile_path()
    text = file.read_text(path)
    if key not in file.parse(text, path):
        return ProfileAnswer(path, load(path), message("profile.was_not_set", name=key))
    text = _with_line(text, key, None)
    profile = _checked(file.parse(text, path), path)
    file.write_text(path, text)
    return ProfileAnswer(path, profile, message("profile.unset", name=key))


def _cards_here() -> tuple[str, ...]:
    """The GPUs of this machine as one would ask for them, equal ones counted together.

    An uncertain one counts as each card that it may be; what the catalogue does not know is left out.

    Raises:
        NoGpu: this machine shows none.
    """
    from assay.answers.gpu import answer  # noqa: PLC0415 -- looks at the drivers: only when needed

    counts: dict[str, int] = {}
    for result in answer(None).results:
        for name in result.identification.candidates:
            counts[name] = counts.get(name, 0) + 1
    return tuple(name if count == 1 else f"{count}x {name}" for name, count in counts.items())


def default_cards() -> tuple[str, ...]:
    """The cards of a question that names none: this machine's, else the profile's.

    Raises:
        NoGpu: neither knows one.
        UnknownGpu: this machine's is not in the catalogue, and the profile names none.
        UnreadableFile, MalformedFile: the profile is there and cannot be used.
    """
    try:
        here = _cards_here()
    except NoGpu:
        stored = load().gpu
        if stored is None:
            raise
        return (stored,)
    stored = None if here else load().gpu
    if not here and stored is None:
        raise UnknownGpu(message("error.unknown_device"), message("hint.no_gpu"))
    return here or (stored or "",)
