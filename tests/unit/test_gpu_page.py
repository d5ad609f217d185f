"""The page of a card: what it may be first, one screen for an ambiguous name, and what sources contradict."""

import re
import tomllib
from collections.abc import Iterator

import pytest

from assay.answers.gpu import answer
from assay.knowledge import store
from assay.report import words
from assay.report.comparison import contradiction
from assay.report.layout.gpu import layout
from assay.report.lines import MAX_WIDTH, width_of
from assay.report.numbers import LANGUAGES, Language
from assay.report.text import report_lines
from assay.types.message import message
from assay.types.quantity import exact


def page(query: str, language: Language = "en", width: int = MAX_WIDTH) -> list[str]:
    return [line.text for line in report_lines(layout(answer(query)), language, width)]


def test_what_98_gb_is_stands_first() -> None:
    lines = page("98 GB")
    assert "103,079,215,104 B" in lines[2]
    assert "97,887 MiB" in lines[2]
    assert any(line.startswith("RTX PRO 6000 Blackwell") for line in lines)


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_ambiguous_name_is_one_screen_and_begins_with_what_tells_apart(language: Language) -> None:
    lines = page("rtx 6000", language)
    assert len(lines) <= 45
    assert lines[2] == words.say(message("gpu.distinguish.title"), language)
    assert not any("TF32" in line for line in lines)


def test_few_candidates_are_compared_by_the_peaks_that_matter() -> None:
    lines = page("rtx pro 6000 blackwell")
    assert {"BF16,", "FP8", "NVFP4,", "INT8,"} <= {line.removeprefix("≠ ").partition(" ")[0] for line in lines}
    assert not any("INT4" in line or "accumulated in FP16" in line for line in lines)
    assert not any(line.startswith("L2 cache") for line in lines)  # the same for all three


def test_usable_memory_is_shown_only_where_it_is_not_the_drivers_figure() -> None:
    assert not any(line.startswith("memory a fit may count on") for line in page("5090"))
    assert any(line.startswith("memory a fit may count on") for line in page("rtx 3060 8gb"))


@pytest.mark.parametrize("query", ["rtx pro 5000 blackwell 48gb", "rtx pro 5000"])
def test_peaks_that_contradict_each_other_say_so(query: str) -> None:
    text = " ".join(" ".join(page(query)).split())
    assert "contradict each other: 294.8 TFLOP/s and 535.5 TFLOP/s" in text


def test_rates_that_agree_do_not_contradict() -> None:
    rates = [exact(value, "OP/s", "documented", "a") for value in (100e12, 101e12)]
    assert contradiction(rates) is None
    found = contradiction([*rates, exact(110e12, "OP/s", "documented", "b")])
    assert found is not None
    assert words.say(found, "ru").startswith("публикации противоречат друг другу: 100 Топ/с и 110 Топ/с")


def test_why_a_rate_is_unknown_is_said_beside_it() -> None:
    text = " ".join(" ".join(page("5090 d")).split())
    assert "measured 58 % of the RTX 5090" in text
    assert "71 %" in text


@pytest.mark.parametrize(
    ("query", "words_of_hint"),
    [
        ("foo", "give the product name"),
        ("", "give the product name"),
        ("5090 5080", "ask for one card at a time"),
        ("2x RTX 4090 + 5090", "ask for one card at a time"),
        ("0x 5090", "write the count before the name"),
        ("gefroce rtx 5900", "choose one of these"),
    ],
)
def test_an_unknown_name_ends_with_what_to_do(query: str, words_of_hint: str) -> None:
    assert words_of_hint in " ".join(page(query)[-2:])


def test_gb10_shows_what_cuda_shows() -> None:
    assert any(re.fullmatch(r"memory, as the driver reports it +119\.7 GiB D", line) for line in page("gb10"))


def test_a_date_is_written_as_the_language_writes_it() -> None:
    assert any("18.03.2025" in line for line in page("rtx-pro-6000-blackwell-workstation-edition", "ru"))
    assert any("2025-03-18" in line for line in page("rtx-pro-6000-blackwell-workstation-edition"))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("query", ["h100", "rtx 6000", "98 GB", "foo", "5090", "5090 d", "gb10"])
def test_a_narrow_terminal_is_respected(query: str, language: Language) -> None:
    assert not [line for line in page(query, language, 60) if width_of(line) > 60]


def test_a_module_and_cards_of_one_name_are_told_apart_in_words() -> None:
    text = "\n".join(page("h100"))
    assert "SXM module" in text
    assert "PCIe card" in text
    assert "модуль SXM" in "\n".join(page("h200", "ru"))


def sentences() -> Iterator[str]:
    for path in sorted((store.DATA / "gpus").glob("*.toml")):
        for gpu in tomllib.loads(path.read_text(encoding="utf-8"))["gpu"]:
            if "usable_note" in gpu:
                yield gpu["usable_note"]
            for factor in gpu.get("rate_factors", ()):
                if factor.get("unknown") and factor.get("note"):
                    yield factor["note"]


def test_every_sentence_shown_on_a_page_is_translated_and_no_code_means_two() -> None:
    found = set(sentences())
    assert len({words.data_code(text) for text in found}) == len(found) > 10
    for text in found:
        said = words.say(message("gpu.note_of_data", text=text), "ru")
        assert re.search("[а-я]", said), text
        assert "текст каталога" not in said, text
        english = words.say(message(words.data_code(text)), "en")
        assert english == text.rstrip("."), "the code's English is the sentence itself"


def test_what_nobody_translated_is_marked_as_the_catalogues() -> None:
    said = words.say(message("gpu.note_of_data", text="Some new sentence."), "ru")
    assert said == "Some new sentence. (текст каталога, на английском)"


@pytest.mark.parametrize(
    ("fact", "russian"),
    [
        ("24 GB", "24 ГБ"),
        ("5.3 TB/s", "5,3 ТБ/с"),
        ("40 compute units", "40 CU"),
        ("up to 600 W", "до 600 Вт"),
        ("8 or 10 GPU cores", "ядер GPU: 8 или 10"),
        ("PCI device 7448", "PCI device 7448"),
    ],
)
def test_facts_with_numbers(fact: str, russian: str) -> None:
    one = message("gpu.distinguish.feature", name="X", text=fact)
    assert words.say(one, "ru") == f"X: {russian}"
    assert words.say(one, "en") == f"X: {fact}"
