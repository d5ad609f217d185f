import csv
import io
import json
import subprocess
import sys

import pytest

from assay.answers.asked import columns_of
from assay.answers.model import answer as read_model
from assay.answers.tables import ModelRow, TablesRequest, answer, mergeable
from assay.answers.train import TrainRequest, result_of
from assay.errors import UsageError
from assay.knowledge.catalog.training import training_terms
from assay.report.json.tables import document
from assay.report.layout.tables import layout
from assay.report.lines import MAX_WIDTH, width_of
from assay.report.markdown import markdown
from assay.report.numbers import Language
from assay.report.spreadsheet import HEAD, text
from assay.report.text import report_lines
from assay.types.training import Training

OWNER = "rtx-pro-6000-blackwell-workstation-edition"


def rows(**changes: object) -> dict[str, ModelRow]:
    found = answer(TablesRequest((OWNER,), **changes))  # type: ignore[arg-type]
    return {row.model.name: row for row in found.tables[0]}


def test_the_owners_models_are_in_it() -> None:
    found = rows()
    expected = {
        "Qwen/Qwen3-30B-A3B": "yes",
        "01-ai/Yi-34B": "yes",
        "internlm/internlm2-chat-20b": "yes",
        "meta-llama/Llama-3.3-70B-Instruct": "no",
        "mistralai/Mixtral-8x22B-v0.1": "no",
    }
    assert {name: found[name].result.verdict for name in expected} == expected


def test_a_model_longer_than_its_own_context_is_asked_for_its_own() -> None:
    assert rows(context=32_768)["01-ai/Yi-34B"].result.verdict == "yes"


def test_filters_leave_out_and_say_how_many() -> None:
    everything = rows()
    found = answer(TablesRequest((OWNER,), fits=True))
    assert 0 < len(found.tables[0]) < len(everything)
    assert found.left_out == len(everything) - len(found.tables[0])
    assert all(row.result.verdict == "yes" for row in found.tables[0])
    assert all((row.result.fit.max_context.value or 0) >= 200_000 for row in rows(min_context=200_000).values())
    assert {row.family for row in rows(family="qwen3-vl").values()} == {"Qwen3-VL"}


def test_what_trains_is_what_assay_train_answers() -> None:
    found = rows()
    terms = training_terms()
    (column,), _ = columns_of((OWNER,))
    for name in ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-8B", "Qwen/Qwen3-32B", "Qwen/Qwen3-30B-A3B", "deepseek-ai/DeepSeek-V3"):
        row = found[name]
        verdicts = {
            method: result_of(row.model, TrainRequest(name, (OWNER,), Training(method)), column, terms).verdict
            for method in ("full", "lora", "qlora")
        }
        surely = [method for method, verdict in verdicts.items() if verdict == "yes"]
        expected = surely[0] if surely else "none" if verdicts["qlora"] == "no" else "unknown"
        assert (name, row.training) == (name, expected)
    assert {"full", "lora", "qlora", "none"} <= {row.training for row in found.values()}
    assert {row.training: row.trainable for row in found.values()}["full"] == "yes"
    assert {row.training: row.trainable for row in found.values()}["none"] == "no"


def test_an_unknown_family_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        rows(family="GPT-9")
    assert "Qwen3" in str(dict(caught.value.hint.parameters)["known"])


def test_order() -> None:
    weights = [row.model.weights.value or 0 for row in rows(sort="weights").values()]
    assert weights == sorted(weights)
    context = [row.result.fit.max_context.value or 0 for row in rows(sort="context").values()]
    assert context == sorted(context, reverse=True)


def test_only_plain_weights_merge_without_quantizing_anew() -> None:
    assert mergeable(read_model("Qwen/Qwen3-30B-A3B")) == "yes"
    assert mergeable(read_model("Qwen/Qwen3-30B-A3B-FP8")) == "no"
    assert mergeable(read_model("openai/gpt-oss-120b")) == "no"


def test_an_ambiguous_card_gives_a_table_for_each() -> None:
    found = answer(TablesRequest(("RTX PRO 6000 Blackwell",), family="Qwen3"))
    assert len(found.tables) == 3


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_page_keeps_to_its_width_in_one_piece(language: Language) -> None:
    lines = [line.text for line in report_lines(layout(answer(TablesRequest((OWNER,)))), language)]
    assert max(map(width_of, lines)) <= MAX_WIDTH
    assert sum(line.startswith("Qwen3-30B-A3B ") for line in lines) == 1


def test_csv_has_units_and_bases() -> None:
    found = list(csv.DictReader(io.StringIO(text(answer(TablesRequest((OWNER,)))))))
    assert tuple(found[0]) == HEAD
    (qwen,) = [row for row in found if row["model"] == "Qwen/Qwen3-30B-A3B"]
    assert (qwen["fits"], qwen["weights"], qwen["weights_unit"]) == ("yes", "61064245248", "B")
    assert qwen["weights_basis"] == "derived"


def test_markdown_is_one_table() -> None:
    lines = markdown(layout(answer(TablesRequest((OWNER,), family="Qwen3"))), "en").splitlines()
    assert lines[0].startswith("# ")
    assert any(line.startswith("| Qwen3-30B-A3B | yes | 56.87 GiB d |") for line in lines)


def test_json_is_what_the_command_prints() -> None:
    command = [sys.executable, "-m", "assay", "tables", "--gpu", OWNER, "--family", "Qwen3", "--json"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert json.loads(printed) == document(answer(TablesRequest((OWNER,), family="Qwen3")), "en")
