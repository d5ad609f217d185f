"""Which modules an exclude list names: exact names, parents, wildcards and `re:` patterns, as the runtimes read them.

Sources: compressed-tensors `match_module_name`, modelopt's fnmatch of `exclude_modules`, transformers'
`should_convert_module`. Model prefixes (`model.`, `language_model.`, `backbone.`) are dropped on both sides.
"""

from collections.abc import Iterable
from typing import Any

_SPELLINGS = ("", "model.", "language_model.model.", "model.language_model.", "language_model.", "backbone.")
PREFIXES = ("model.", "language_model.", "backbone.")
MOST_BEGINNINGS = 2_000
MOST_WILDCARDS = 500
MOST_EXPRESSIONS = 100
MOST_CHARACTERS = 65_536
"""Of patterns, since each is compared with every module. Published lists have up to 154 wildcards and 3 expressions."""


class UnknownPatternError(ValueError):
    """A pattern of an exclude list that Assay does not understand."""


def bare(module: str) -> str:
    """A module's path without the model's own prefixes."""
    while module.startswith(PREFIXES):
        module = module.partition(".")[2]
    return module


class Matcher:
    """A compiled list of module names and patterns."""

    __slots__ = ("_experts", "_globs", "_names", "_patterns", "_starts", "_words")

    def __init__(self, items: Iterable[str]) -> None:
        self._names: set[str] = set()
        self._words: set[str] = set()
        starts: list[str] = []
        globs: list[str] = []
        patterns: list[str] = []
        for item in items:
            if item.startswith("re:"):
                patterns.append(item[3:])
                continue
            name = bare(item.removesuffix(".weight"))
            if "*" not in name and "?" not in name and "[" not in name:
                self._names.add(name)
                if "." not in name:
                    self._words.add(name)
            elif name.endswith("*") and not any(sign in name[:-1] for sign in "*?["):
                starts.append(name[:-1])
            else:
                globs.append(name)
        _few(starts, MOST_BEGINNINGS)
        _few(globs, MOST_WILDCARDS)
        _few(patterns, MOST_EXPRESSIONS)
        self._starts = tuple(starts)
        self._experts: dict[str, set[int]] = {}
        for name in self._names:
            layer, number = _numbered_expert(name)
            if number is not None:
                self._experts.setdefault(layer, set()).add(number)
        self._globs = _compiled([_translated(glob) for glob in globs])
        self._patterns = _compiled([_rebuilt(pattern) for pattern in patterns])

    def __bool__(self) -> bool:
        """Whether it names anything."""
        return bool(self._names or self._starts) or self._globs is not None or self._patterns is not None

    def _names_it(self, module: str) -> bool:
        if self._starts and module.startswith(self._starts):
            return True
        if self._patterns is not None and any(self._patterns.match(prefix + module) for prefix in _SPELLINGS):
            return True
        parts = module.split(".")
        if self._words and not self._words.isdisjoint(parts):
            return True
        paths = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
        if not self._names.isdisjoint(paths):
            return True
        return self._globs is not None and any(self._globs.fullmatch(path) for path in paths)

    def matches(self, module: str, copies: int = 1) -> bool | None:
        """Whether a module is named; for experts (`*` in the path) None when only some of the copies are."""
        if "*" not in module:
            return self._names_it(module)
        named = self._experts.get(module.partition(".experts.")[0], ())
        numbers = {number for number in named if number < copies}
        if len(numbers) < copies:  # one stands for all that no name singles out
            numbers.add(next(number for number in range(copies) if number not in numbers))
        answers = {self._names_it(module.replace("*", str(number))) for number in numbers}
        return answers.pop() if len(answers) == 1 else None


def _few(patterns: list[str], most: int) -> None:
    if len(patterns) > most or sum(map(len, patterns)) > MOST_CHARACTERS:
        raise UnknownPatternError(f"{len(patterns)}")


def _numbered_expert(name: str) -> tuple[str, int | None]:
    """(path of the layer, number of the expert) of a name that singles one out; the number is None for others."""
    layer, _, rest = name.partition(".experts.")
    number = rest.partition(".")[0]
    return layer, int(number) if number.isdecimal() and len(number) < 7 else None


def _translated(name: str) -> str:
    from fnmatch import translate  # noqa: PLC0415 - only configurations with inner wildcards need it

    return translate(name)


def _piece(text: str) -> str:
    """A piece of a `re:` pattern between two `.*`, rebuilt from the few signs the published lists use.

    A pattern is never run as it stands: a hostile one could take for ever.
    """
    out = []
    position = 0
    while position < len(text):
        rest = text[position:]
        number = next((sign for sign in ("\\d+", "[0-9]+", "\\d*", "[0-9]*") if rest.startswith(sign)), None)
        if number is not None:
            out.append("[0-9]++" if number.endswith("+") else "[0-9]*+")
            position += len(number)
        elif rest.startswith("(?:"):
            out.append("(?:")
            position += 3
        elif rest.startswith("\\") and rest[1:2] in (".", "-", "_"):
            out.append("\\" + rest[1])
            position += 2
        elif rest[0].isalnum() or rest[0] in "._-(|)":
            out.append(rest[0])
            position += 1
        else:
            raise UnknownPatternError(text)
        if rest[0] == ")" and rest[1:2] in ("*", "+", "{", "?"):
            raise UnknownPatternError(text)
    return "".join(out)


def _rebuilt(pattern: str) -> str:
    """A `re:` pattern as an expression of linear cost; like `re.match`, it need not reach the end."""
    pattern = pattern.removeprefix("^")
    ending = pattern.endswith("$")
    pattern = pattern.removesuffix("$") if ending else pattern + ".*"
    first, *others = (_piece(part) for part in pattern.split(".*"))
    if not others:
        return f"{first}\\Z"
    middle = "".join(f"(?>.*?{part})" for part in others[:-1])
    return f"{first}{middle}.*{others[-1]}\\Z"


def _compiled(expressions: list[str]) -> Any:
    """One expression for all of them, or None."""
    if not expressions:
        return None
    import re  # noqa: PLC0415 - only configurations with patterns need it

    try:
        return re.compile("|".join(f"(?:{expression})" for expression in expressions))
    except re.error as error:
        raise UnknownPatternError(str(error)) from error
