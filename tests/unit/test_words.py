"""Every code has words in both languages, every entry is used, and the words fit the calls."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from assay.knowledge import store
from assay.report import catalogue_compiler, words
from assay.report.numbers import LANGUAGES, Language
from assay.types.message import Message, message

SOURCE = Path(__file__).parents[2] / "src" / "assay"
PLURAL_FORMS = {"en": 2, "ru": 3}
CALLS = {"message", "Message"}
VERBATIM = "text"


class Call(NamedTuple):
    code: str
    is_prefix: bool
    parameters: frozenset[str] | None
    where: str


class Entry(NamedTuple):
    counter: str | None
    forms: tuple[str, ...]

    @property
    def parameters(self) -> frozenset[str]:
        return frozenset(match[1] for form in self.forms for match in words.PLACEHOLDER.finditer(form))


def _catalogue(language: Language) -> dict[str, Entry]:
    path = words.LOCALE / language / "LC_MESSAGES" / "assay.po"
    entries = catalogue_compiler.parse(path.read_text(encoding="utf-8"), path.name)
    return {code: Entry(plural and plural.strip("{}"), forms) for code, plural, forms in entries if code}


CATALOGUES = {language: _catalogue(language) for language in LANGUAGES}
NAMESPACES = {code.split(".")[0] for code in CATALOGUES["en"] if "." in code}
FILE_NAME = re.compile(r".*\.(toml|json|gguf|safetensors)")
LIKE_A_CODE = re.compile(rf"(?:{'|'.join(sorted(NAMESPACES))})(?:\.[a-z0-9_]*[a-z0-9])+")


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _call_parameters(node: ast.Call, name: str) -> frozenset[str] | None:
    """The parameter names of a call, None where they are not written out in it."""
    if name == "message":
        if any(keyword.arg is None for keyword in node.keywords):
            return None
        return frozenset(keyword.arg or "" for keyword in node.keywords) - {"level"}
    if len(node.args) < 2 and not node.keywords:
        return frozenset()
    return None


def _code(node: ast.expr) -> Iterator[tuple[str, bool]]:
    """The code that an expression is: (text, is a prefix); both arms of a conditional."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value, False
    elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        yield str(node.values[0].value), True
    elif isinstance(node, ast.IfExp):
        yield from _code(node.body)
        yield from _code(node.orelse)


def _calls() -> Iterator[Call]:
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(_tree(path)):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS):
                continue
            where = f"{path.relative_to(SOURCE)}:{node.lineno}"
            if node.args:
                for code, is_prefix in _code(node.args[0]):
                    yield Call(code, is_prefix, _call_parameters(node, node.func.id), where)


def _is_code(text: str) -> bool:
    return text in CATALOGUES["en"] or (LIKE_A_CODE.fullmatch(text) is not None and not FILE_NAME.fullmatch(text))


def _literals() -> Iterator[tuple[str, str]]:
    """Every string of the source that looks like a code, and where: `unknown.bandwidth` given as an argument."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_code(node.value):
                yield node.value, f"{path.relative_to(SOURCE)}:{node.lineno}"


def _prefixes() -> set[str]:
    """Codes that are completed when the program runs: `f"role.{group.role}"`."""
    found = set()
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                text = str(node.values[0].value)
                if re.fullmatch(r"[a-z_]+\.[a-z_.]*", text) and text.split(".", maxsplit=1)[0] in NAMESPACES:
                    found.add(text)
    return found


ALL_CALLS = tuple(call for call in _calls() if call.code != VERBATIM)
ALL_LITERALS = dict(_literals())
PREFIXES = _prefixes() | {"help.short."}  # the group of commands joins this one to a name


def test_the_collector_sees_calls_literals_and_prefixes() -> None:
    assert any(call.code == "error.bug" for call in ALL_CALLS)
    assert "unknown.bandwidth" in ALL_LITERALS
    assert "role." in PREFIXES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_words(language: Language) -> None:
    codes = {call.code: call.where for call in ALL_CALLS if not call.is_prefix} | ALL_LITERALS
    missing = {code: where for code, where in codes.items() if code not in CATALOGUES[language]}
    assert not missing


def test_every_prefix_leads_to_words() -> None:
    assert not [prefix for prefix in PREFIXES if not any(code.startswith(prefix) for code in CATALOGUES["en"])]


@pytest.mark.parametrize("prefix", ["role.", "layer.", "basis."])
def test_what_completes_a_prefix_is_complete(prefix: str) -> None:
    from typing import get_args

    from assay.types.model import LayerKind, Role
    from assay.types.quantity import Basis

    names = get_args({"role.": Role, "layer.": LayerKind, "basis.": Basis}[prefix])
    assert names
    assert not [name for name in names if prefix + name not in CATALOGUES["en"]]


def _reasons() -> set[str]:
    """The reasons that checkpoint readers give to `malformed` and `broken`, which make a code of them."""
    found = set()
    for path in sorted((SOURCE / "observe" / "checkpoint").rglob("*.py")):
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                place = {"malformed": 1, "broken": 0 if path.name == "gguf.py" else 1}.get(name)
                reason = node.args[place] if place is not None and place < len(node.args) else None
                if isinstance(reason, ast.Constant):
                    found.add(str(reason.value))
    return found


def test_every_reason_of_a_malformed_file_has_words() -> None:
    reasons = _reasons()
    known = {code.rpartition(".")[2] for code in CATALOGUES["en"] if code.startswith("error.malformed.")}
    assert len(reasons) > 15
    assert reasons == known


def _of_the_catalogue() -> set[str]:
    """Codes that stand in the catalogue: notes of its rows, why runtimes do not load containers."""
    rows = store.entries("execution").values()
    notes = {code for row in rows for part in (row, *row["cells"]) for code in part.get("notes", ())}
    runtimes = store.entries("runtime").values()
    return notes | {code for body in runtimes for code in body.get("not_loaded", {}).values()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_of_the_catalogue_has_words(language: Language) -> None:
    assert _of_the_catalogue() <= CATALOGUES[language].keys()


def test_every_entry_is_used() -> None:
    said = {call.code for call in ALL_CALLS} | set(ALL_LITERALS) | _of_the_catalogue()
    unused = [
        code
        for code in CATALOGUES["en"]
        if code not in said and not any(code.startswith(prefix) for prefix in PREFIXES)
    ]
    assert not unused


def test_both_languages_have_the_same_entries() -> None:
    assert CATALOGUES["en"].keys() == CATALOGUES["ru"].keys()


def test_both_languages_use_the_same_parameters() -> None:
    differing = {
        code: (entry.parameters, CATALOGUES["ru"][code].parameters)
        for code, entry in CATALOGUES["en"].items()
        if entry.parameters != CATALOGUES["ru"][code].parameters
    }
    assert not differing


def test_templates_ask_for_what_the_calls_give() -> None:
    wrong = {
        f"{call.where} {call.code}": sorted(CATALOGUES["en"][call.code].parameters - call.parameters)
        for call in ALL_CALLS
        if call.parameters is not None and not call.is_prefix and call.code in CATALOGUES["en"]
        if CATALOGUES["en"][call.code].parameters - call.parameters
    }
    assert not wrong


@pytest.mark.parametrize("language", LANGUAGES)
def test_plurals_are_complete(language: Language) -> None:
    for code, entry in CATALOGUES[language].items():
        assert all(form.strip() for form in entry.forms), code
        assert entry.counter == CATALOGUES["en"][code].counter, code
        assert len(entry.forms) == (PLURAL_FORMS[language] if entry.counter else 1), code


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_count_is_given_by_the_call(language: Language) -> None:
    wrong = [
        call.where
        for call in ALL_CALLS
        if call.parameters is not None
        and (entry := CATALOGUES[language].get(call.code)) is not None
        and entry.counter is not None
        and entry.counter not in call.parameters
        and not call.code.startswith("unit.")
    ]
    assert not wrong


@pytest.mark.parametrize("language", LANGUAGES)
def test_messages_end_without_a_full_stop_and_keep_their_line(language: Language) -> None:
    for code, entry in CATALOGUES[language].items():
        if not code.startswith("help."):
            assert not [form for form in entry.forms if form.endswith(".") or "\n" in form or "  " in form], code


def test_russian_has_russian_letters_or_only_names() -> None:
    names = {"unit.byte", "error.usage", "profile.currency"}
    latin = [
        code
        for code, entry in CATALOGUES["ru"].items()
        if entry.forms == CATALOGUES["en"][code].forms
        and re.search(r"[A-Za-z]{4,}", words.PLACEHOLDER.sub("", entry.forms[0]))
        and code not in names
    ]
    assert set(latin) <= {"layer.mamba", "gpu.row.pcie"}


def test_plural_forms_of_russian() -> None:
    said = [words.say(message("check.ambiguous", query="X", count=count), "ru") for count in (1, 2, 5, 21)]
    assert "1 карта" in said[0]
    assert "2 карты" in said[1]
    assert "5 карт;" in said[2]
    assert "21 карта" in said[3]


def test_parameters_are_written_as_the_language_writes_numbers() -> None:
    beyond = message("advice.context", tokens=97887)
    assert "97,887 tokens" in words.say(beyond, "en")
    assert "97\u00a0887 токенов" in words.say(beyond, "ru")
    assert words.in_unit(102_641_958_912, "B", "en") == "95.59 GiB"
    assert words.in_unit(102_641_958_912, "B", "ru") == "95,59 ГиБ"
    assert words.in_unit(0.031, "%", "ru") == "3,1 %"


def test_data_is_printed_verbatim() -> None:
    assert words.say(message("text", text="{as} it stands"), "ru") == "{as} it stands"
    assert words.say("GeForce RTX 5090", "ru") == "GeForce RTX 5090"


def test_a_parameter_is_data_and_no_template() -> None:
    assert words.say(message("error.unknown_gpu", query="{query}"), "en").endswith("{query}")


def test_a_code_without_words_is_shown_and_not_raised() -> None:
    assert words.say(Message("no.such_code", (("a", 1),)), "en") == "no.such_code (a=1)"


@pytest.mark.parametrize(
    ("wishes", "environment", "expected"),
    [
        (("ru", "en"), {}, "ru"),
        ((None, "ru"), {"LC_ALL": "en_US.UTF-8"}, "ru"),
        ((None, None), {"LC_ALL": "ru_RU.UTF-8", "LANG": "en_US.UTF-8"}, "ru"),
        ((None, None), {"LC_ALL": "", "LC_MESSAGES": "ru_RU", "LANG": "en_US"}, "ru"),
        ((None, None), {"LC_ALL": "C", "LANG": "ru_RU.UTF-8"}, "en"),
        ((None, None), {"LANG": "de_DE.UTF-8"}, "en"),
        ((None, None), {"LANG": "run_ES.UTF-8"}, "en"),
        (("fr", None), {"LANG": "ru_RU.UTF-8"}, "ru"),
    ],
)
def test_the_language_that_is_asked_for(
    wishes: tuple[str | None, ...], environment: dict[str, str], expected: str
) -> None:
    assert words.language_of(*wishes, environment=environment) == expected
