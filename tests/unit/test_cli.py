"""The door: exit codes, errors in both languages, pipes, Ctrl-C, colour, and what the JSON path loads."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
NEVER_WITH_JSON = (
    "rich",
    "numpy",
    "asyncio",
    "importlib.metadata",
    "typing_extensions",
    "email",
    "pydantic",
    "pynvml",
    "html",
    "http",
    "ssl",
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A user without a profile, a locale and a wish for colour."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "SYSTEMROOT", "PYTHONPYCACHEPREFIX"}}
    return {**kept, "PYTHONPATH": str(SOURCE), "XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}


def _run(environment: Mapping[str, str], *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "assay", *arguments],
        env={**environment, **more},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 0),
        (("--help",), 0),
        (("gpu", "--help"), 0),
        (("--version",), 0),
        (("gpu", "5090"), 0),
        (("gpu", "RTX", "PRO", "6000", "Blackwell"), 2),
        (("gpu", "no such card"), 2),
        (("check", "Qwen/Qwen3-30B-A3B", "--gpu", "RTX PRO 6000 Blackwell Workstation Edition"), 0),
        (("check", "Qwen/Qwen3-30B-A3B", "--gpu", "5090"), 1),
        (("check", "Qwen/Qwen3-30B-A3B", "--gpu", "no such card"), 2),
        (("check", "no-such-model", "--gpu", "5090"), 2),
        (("check",), 2),
        (("check", "x", "--context", "many"), 2),
        (("check", "x", "--context", "0"), 2),
        (("gpu", "--no-such-option"), 2),
        (("gpu", "5090", "--lang", "fr"), 2),
        (("no-such-command",), 2),
        (("model", "/no/such/file.gguf"), 2),
        (("model", "Qwen/Qwen3-30B-A3B"), 0),
        (("formats", "5090"), 0),
        (("profile",), 0),
        (("profile", "path"), 0),
        (("profile", "set", "ram-gib"), 2),
        (("profile", "unset", "nothing"), 2),
    ],
)
def test_exit_codes(environment: dict[str, str], arguments: tuple[str, ...], code: int) -> None:
    done = _run(environment, *arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    # `gpu` answers with the same page or document where it answers 2; every other 2 is an error on standard error.
    is_error = code == 2 and not (arguments[0] == "gpu" and "-" not in "".join(arguments))
    assert done.stderr.startswith("error: ") == is_error
    assert bool(done.stdout) == (not is_error)


def test_an_error_is_two_lines_and_a_hint(environment: dict[str, str]) -> None:
    done = _run(environment, "profile", "set", "ram-gib", "0")
    first, second = done.stderr.splitlines()
    assert first == "error: ram-gib cannot be 0"
    assert second == "hint: the value must be positive"


def test_errors_speak_russian_and_keep_their_keywords(environment: dict[str, str]) -> None:
    for arguments, more in (
        (("--lang", "ru", "profile", "set", "ram-gib", "0"), {}),
        (("profile", "set", "ram-gib", "0", "--lang=ru"), {}),
        (("profile", "set", "ram-gib", "0"), {"LANG": "ru_RU.UTF-8"}),
    ):
        done = _run(environment, *arguments, **more)
        assert done.stderr == "error: недопустимое значение ram-gib: 0\nhint: значение должно быть положительным\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("model",), "error: не указано: SOURCE"),
        (("gpu", "--json=yes", "5090"), "error: "),
        (("check", "x", "--gpu"), "error: --gpu: не указано значение"),
        (("model", "a", "b"), "error: лишний аргумент: b"),
        (("gpu", "--jsn"), "error: нет такого параметра: --jsn"),
        (("gpus",), "error: нет такой команды: gpus"),
        (("gpu", "5090", "--lang", "fr"), "error: недопустимое значение --lang"),
    ],
)
def test_complaints_about_the_command_line_speak_russian(
    environment: dict[str, str], arguments: tuple[str, ...], expected: str
) -> None:
    done = _run(environment, *arguments, LANG="ru_RU.UTF-8")
    assert done.returncode == 2
    assert done.stderr.startswith(expected)


def test_the_profile_chooses_the_language(environment: dict[str, str]) -> None:
    assert _run(environment, "profile", "set", "language", "ru").returncode == 0
    assert _run(environment, "profile", LANG="en_US.UTF-8").stdout.startswith("Ваш профиль")
    assert _run(environment, "profile", "--lang", "en").stdout.startswith("Your profile")


def test_a_broken_profile_stops_only_what_needs_it(environment: dict[str, str]) -> None:
    path = Path(_run(environment, "profile", "path").stdout.strip())
    path.parent.mkdir(parents=True)
    path.write_text("gpu = \n", encoding="utf-8")
    assert _run(environment, "gpu", "5090").returncode == 0
    done = _run(environment, "profile", "--json")
    assert done.returncode == 2
    assert "line 1" in done.stderr
    error = json.loads(done.stdout)["error"]
    assert (error["kind"], error["exit"], error["file"], error["field"]) == ("malformed-file", 2, str(path), "line 1")


@pytest.mark.parametrize(
    ("arguments", "kind", "hint"),
    [
        (("gpu", "5090", "--jsn", "--json"), "usage", "--json"),
        (("profle", "--json"), "usage", "profile"),
        (("check", "--json"), "usage", "assay check --help"),
        (("gpu", "--lang", "fr", "--json"), "usage", "en, ru"),
        (("check", "x", "--gpu", "no such card", "--json"), "unknown-model", ""),
        (("check", "Qwen/Qwen3-30B-A3B", "--gpu", "no such card", "--json"), "unknown-gpu", ""),
    ],
)
def test_an_error_document(environment: dict[str, str], arguments: tuple[str, ...], kind: str, hint: str) -> None:
    done = _run(environment, *arguments)
    document = json.loads(done.stdout)
    assert document["schema"] == "assay.error/1"
    assert document["error"]["kind"] == kind
    assert document["error"]["exit"] == done.returncode == 2
    assert hint in document["error"]["hint"]
    assert done.stderr == f"error: {document['error']['message']}\nhint: {document['error']['hint']}\n"


def test_json_after_a_double_dash_is_data(environment: dict[str, str]) -> None:
    done = _run(environment, "gpu", "--", "5090", "--json")
    assert not done.stdout.startswith("{")


def test_options_stand_before_or_behind_the_command(environment: dict[str, str]) -> None:
    assert _run(environment, "--json", "gpu", "5090").stdout == _run(environment, "gpu", "5090", "--json").stdout


def _with_code(environment: Mapping[str, str], code: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, **more},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


BROKEN = """
import sys
from assay.answers import profile
def broken():
    raise {error}
profile.show = broken
from assay.cli.main import main
sys.exit(main(["profile", "--json"]))
"""


@pytest.mark.parametrize("error", ["ZeroDivisionError('a b')", "RecursionError()", "SystemExit(1)", "MemoryError()"])
def test_a_bug_is_exit_4_and_no_traceback(environment: dict[str, str], error: str) -> None:
    done = _with_code(environment, BROKEN.format(error=error))
    assert done.returncode == 4
    assert done.stderr.startswith("error: internal error: ")
    assert len(done.stderr.splitlines()) == 2
    assert json.loads(done.stdout)["error"]["kind"] == "bug"


def test_a_bug_shows_its_traceback_on_request(environment: dict[str, str]) -> None:
    done = _with_code(environment, BROKEN.format(error="ZeroDivisionError()"), ASSAY_DEBUG="1")
    assert done.returncode == 4
    assert "Traceback (most recent call last)" in done.stderr


def test_an_interrupt_is_130(environment: dict[str, str]) -> None:
    done = _with_code(environment, BROKEN.format(error="KeyboardInterrupt()"))
    assert done.returncode == 130
    assert json.loads(done.stdout)["error"]["kind"] == "interrupted"


def test_ctrl_c_while_it_works(environment: dict[str, str]) -> None:
    slow = BROKEN.format(error="SystemExit(__import__('time').sleep(30))").replace(
        "sys.exit", "print('ready', flush=True); sys.exit"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", slow], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors.startswith("error: interrupted")


def test_when_the_reader_leaves_it_leaves_quietly(environment: dict[str, str]) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "assay", "gpu", "RTX PRO 6000 Blackwell"],
            env=environment,
            stdout=write,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(write)
    assert done.returncode == 141
    assert done.stderr == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_no_answer(environment: dict[str, str]) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "assay", "gpu", "5090"],
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
    assert done.returncode == 4
    assert done.stderr.startswith("error: cannot write the answer")


@pytest.mark.parametrize("more", [{}, {"TERM": "xterm-256color", "COLORTERM": "truecolor"}])
def test_a_pipe_gets_no_escape_codes(environment: dict[str, str], more: dict[str, str]) -> None:
    done = _run(environment, "gpu", "5090", "--explain", **more)
    assert "\x1b" not in done.stdout + done.stderr


def test_an_encoding_without_cyrillic_gets_english(environment: dict[str, str]) -> None:
    done = _run(environment, "gpu", "5090", "--lang", "ru", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert "memory bandwidth" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "Qwen/Qwen3-30B-A3B", "--gpu", "5090", "--json"),
        ("gpu", "5090", "--json"),
        ("gpu", "RTX PRO 6000 Blackwell", "--json"),
        ("formats", "5090", "--json"),
        ("model", "Qwen/Qwen3-30B-A3B", "--json"),
        ("profile", "--json"),
        ("gpu", "5090"),
    ],
)
def test_what_an_answer_must_not_load(environment: dict[str, str], arguments: tuple[str, ...]) -> None:
    code = f"""
import sys
from assay.cli.main import main
main({list(arguments)!r})
sys.stdout.flush()
sys.stderr.write("\\n".join(sys.modules))
"""
    loaded = set(_with_code(environment, code).stderr.splitlines())
    assert "assay.cli.main" in loaded
    assert not {name for name in NEVER_WITH_JSON if name in loaded}


def test_the_help_of_every_command_has_an_example_in_both_languages(environment: dict[str, str]) -> None:
    from assay.cli.commands.root import COMMANDS

    for command in COMMANDS:
        for language in ("en", "ru"):
            text = _run(environment, "--lang", language, command, "--help").stdout
            assert f"  assay {command}" in text.partition("\n")[2]
            assert not re.search(r"help\.\w", text)
            assert max(map(len, text.splitlines())) <= 100
    assert _run(environment).stdout.count("  assay ") == 3


def _shell(environment: dict[str, str], line: str) -> int:
    program = f"{sys.executable} -m assay"
    return subprocess.run(["bash", "-c", line.replace("ASSAY", program)], env=environment, check=False).returncode


@pytest.mark.parametrize("line", ["ASSAY nope 2>&-", "ASSAY nope 2>/dev/full"])
def test_without_standard_error_the_exit_code_still_says_what_failed(environment: dict[str, str], line: str) -> None:
    assert _shell(environment, line) == 2


def test_a_document_that_finds_no_room_is_an_environment_failure(environment: dict[str, str]) -> None:
    assert _shell(environment, "ASSAY gpu 4090 --json >/dev/full 2>/dev/null") == 4


def test_half_a_character_is_not_a_bug(environment: dict[str, str], tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"model_type": "\\ud800"}')
    assert _shell(environment, f"ASSAY model {config} >/dev/null 2>&1") == 3


def test_tokens_are_written_as_people_write_them(environment: dict[str, str]) -> None:
    def context(text: str) -> object:
        done = _run(environment, "check", "Qwen/Qwen3-8B", "--gpu", "h100-sxm5-80gb", "--context", text, "--json")
        return json.loads(done.stdout).get("workload", {}).get("context")

    assert [context(text) for text in ("32k", "32K", "32768", "16к")] == [32768, 32768, 32768, 16384]


@pytest.mark.parametrize("text", ["many", "0", "-5", "1.5k", "32kb", "9" * 30, ""])
def test_a_number_of_tokens_that_is_none_is_said_in_both_languages(environment: dict[str, str], text: str) -> None:
    for language, hint in (
        ("en", "hint: a whole number of tokens, e.g. 32768 or 32k\n"),
        ("ru", "hint: нужно целое число токенов, например 32768 или 32k\n"),
    ):
        done = _run(environment, "tables", "--gpu", "5090", f"--min-context={text}", "--lang", language)
        assert done.returncode == 2
        assert done.stderr.endswith(hint)
        assert "--min-context" in done.stderr


def test_help_has_no_english_of_click_in_russian_and_no_ranges(environment: dict[str, str]) -> None:
    for command in ((), ("check",), ("tables",), ("profile", "set"), ("gpu",), ("model",), ("formats",), ("profile",)):
        for language in ("en", "ru"):
            text = _run(environment, *command, "--help", "--lang", language).stdout
            assert "x>=" not in text
            assert "default" not in text
            if language == "ru":
                assert not re.search(r"OPTIONS|COMMAND|Usage|Options|Show", text)


def test_two_forms_at_once_are_refused(environment: dict[str, str]) -> None:
    for forms in (("--csv", "--json"), ("--csv", "--md"), ("--md", "--json")):
        done = _run(environment, "tables", "--gpu", "5090", *forms)
        assert done.returncode == 2
        assert "only one form" in done.stderr


def test_options_far_from_what_was_typed_are_not_suggested(environment: dict[str, str]) -> None:
    assert _run(environment, "check", "x", "--bogus").stderr.endswith("hint: run assay check --help\n")
    assert _run(environment, "check", "x", "--runtme").stderr.endswith("hint: did you mean: --runtime\n")


def test_a_negative_setting_is_a_value_and_a_strange_option_is_none(environment: dict[str, str]) -> None:
    done = _run(environment, "profile", "set", "ram-gib", "-5")
    assert done.stderr == "error: ram-gib cannot be -5\nhint: the value must be positive\n"
    assert "no such option: --bogus" in _run(environment, "profile", "set", "ram-gib", "--bogus", "5").stderr


def test_the_price_of_power_is_the_owners_own(environment: dict[str, str]) -> None:
    _run(environment, "profile", "set", "currency", "RUB")
    done = _run(environment, "profile", "set", "electricity-per-kwh", "6,5", "--lang", "ru")
    assert "6,5 ₽/кВт·ч (задано вами)" in done.stdout
    assert "допущение" not in done.stdout
    assert "Where the figures" not in _run(environment, "profile", "--explain").stdout


def test_an_empty_model_is_a_usage_error(environment: dict[str, str]) -> None:
    done = _run(environment, "model", "")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no model is named")
