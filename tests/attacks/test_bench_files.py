"""Benchmark files that are cut short, lie, or are something else: a line names file and field, nothing is stored."""

import json
from pathlib import Path
from typing import Any

import pytest
from bench_files import as_csv, as_lines, llama_row, prompt_row, sglang_result, vllm_result

from assay.cli.main import main
from assay.errors import BadInput, MalformedFile, UnreadableFile, UnsupportedFile
from assay.observe.measurements import read as reading
from assay.observe.measurements.read import read


def written(tmp_path: Path, content: Any) -> str:
    path = tmp_path / "results.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


WHOLE = {
    "array": json.dumps([llama_row(), prompt_row()], indent=1),
    "object": json.dumps(vllm_result(), indent=1),
    "lines": as_lines(sglang_result(), sglang_result()),
    "csv": as_csv(llama_row(), prompt_row()),
}


@pytest.mark.parametrize("form", WHOLE)
def test_a_file_that_breaks_off_anywhere_is_refused_or_has_whole_rows(tmp_path: Path, form: str) -> None:
    """After any byte: an error of Assay's, or the rows that stand before the cut, each as in the whole file."""
    content = WHOLE[form].encode()
    whole = read(written(tmp_path, content))
    path = Path(written(tmp_path, content))
    kept, codes = 0, set()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        try:
            found = read(str(path))
        except MalformedFile as error:
            codes.add(error.message.code)
            continue
        kept += 1
        digest = found[0].origin.digest
        assert found == tuple(one._replace(origin=one.origin._replace(digest=digest)) for one in whole[: len(found)])
        # The end of a row is the only place where a cut cannot be seen.
        assert content[:length].rstrip().endswith((b"}", b"]", b'"'))
    assert kept <= 6
    assert codes <= {f"error.bench.{reason}" for reason in ("empty", "json", "csv", "kind")}


FIELDS = [
    (llama_row(avg_ns=-5), "negative", "avg_ns"),
    (llama_row(avg_ns=0), "positive", "avg_ns"),
    (llama_row(avg_ts=0), "positive", "avg_ts"),
    (llama_row(avg_ts=float("nan")), "number", "avg_ts"),
    (llama_row(avg_ts=float("inf")), "number", "avg_ts"),
    (llama_row(avg_ts="fast"), "number", "avg_ts"),
    (llama_row(avg_ts=True), "number", "avg_ts"),
    (llama_row(avg_ts=[1]), "number", "avg_ts"),
    (llama_row(n_gen=-1), "negative", "n_gen"),
    (llama_row(n_gen=12.5), "whole", "n_gen"),
    (llama_row(n_gen=0), "positive", "n_prompt"),
    (llama_row(n_gen=10**400), "number", "n_gen"),
    (llama_row(samples_ns=[]), "list", "samples_ns"),
    (llama_row(samples_ns=[1_000_000_000, -1]), "negative", "samples_ns"),
    (llama_row(samples_ns=[1_000_000_000, 0]), "positive", "samples_ns"),
    (llama_row(samples_ns=7), "list", "samples_ns"),
    (llama_row(gpu_info=7), "text", "gpu_info"),
    # µs taken for ns, and the speed of a prompt for that of tokens
    (llama_row(avg_ns=1_015_000), "units", "avg_ns"),
    (llama_row(avg_ts=5120.0), "units", "avg_ts"),
    ({name: value for name, value in llama_row().items() if name != "n_gen"}, "missing", "n_gen"),
    ({name: value for name, value in llama_row().items() if name != "avg_ts"}, "missing", "avg_ts"),
    (vllm_result(duration=0), "positive", "duration"),
    (vllm_result(duration=-10.0), "negative", "duration"),
    (vllm_result(duration=10_000.0), "units", "request_throughput"),
    (vllm_result(completed=0), "none_completed", "completed"),
    (vllm_result(total_output_tokens=51), "units", "output_throughput"),
    (vllm_result(total_output_tokens=0), "units", "output_throughput"),
    (vllm_result(output_throughput=float("nan")), "number", "output_throughput"),
    (vllm_result(mean_ttft_ms=0), "positive", "mean_ttft_ms"),
    (vllm_result(mean_ttft_ms=-1), "negative", "mean_ttft_ms"),
    (vllm_result(mean_tpot_ms=0), "positive", "mean_tpot_ms"),
    (vllm_result(p99_ttft_ms=50.0), "order", "p99_ttft_ms"),
    (vllm_result(model_id=5), "text", "model_id"),
    (vllm_result(max_concurrency=0), "negative", "max_concurrency"),
    # seconds in fields of milliseconds, and the other way round
    (vllm_result(mean_ttft_ms=0.095, mean_tpot_ms=0.015, mean_itl_ms=0.015, median_ttft_ms=0.09, median_tpot_ms=0.0149,
                 median_itl_ms=0.0147), "units", "mean_tpot_ms"),
    (vllm_result(mean_itl_ms=0.015, median_itl_ms=0.0147, p99_itl_ms=0.03), "units", "mean_itl_ms"),
    (vllm_result(mean_ttft_ms=95_000.0, median_ttft_ms=90_000.0, p99_ttft_ms=180_000.0), "units", "mean_ttft_ms"),
    (vllm_result(mean_tpot_ms=15_000.0, p99_tpot_ms=16_500.0), "units", "mean_tpot_ms"),
    ({name: value for name, value in vllm_result().items() if name != "total_output_tokens"}, "missing",
     "total_output_tokens"),
    ({name: value for name, value in vllm_result().items() if name != "completed"}, "missing", "completed"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "reason", "field"), FIELDS, ids=[f"{reason}-{field}-{n}" for n, (_, reason, field) in enumerate(FIELDS)]
)
def test_a_field_that_cannot_be_what_it_says_is_named(
    tmp_path: Path, row: dict[str, Any], reason: str, field: str
) -> None:
    with pytest.raises(MalformedFile) as caught:
        read(written(tmp_path, row))
    assert (caught.value.message.code, caught.value.field) == (f"error.bench.{reason}", field)


def test_the_row_of_several_is_named(tmp_path: Path) -> None:
    with pytest.raises(MalformedFile) as caught:
        read(written(tmp_path, [llama_row(), llama_row(avg_ns=-5)]))
    assert caught.value.field == "[1].avg_ns"


OTHERS = [
    (b"", "empty"),
    (b"  \n", "empty"),
    (b"[]", "empty"),
    (b"\x89PNG\r\n\x1a\n\0\0", "binary"),
    (b"\xff\xfe\x00\xd8", "binary"),
    (b"\xc3\x28", "binary"),
    (b"7", "kind"),
    (b"{}", "kind"),
    (b"[1, 2]", "kind"),
    (b"[[]]", "kind"),
    (b'{"architectures": ["LlamaForCausalLM"]}', "kind"),
    (b"| model | size |\n| ---: | ---: |\n", "kind"),
    (b"INSERT INTO llama_bench (build_commit) VALUES ('1');", "kind"),
    (b"name,price\nrtx,5\n", "kind"),
    (b'{"avg_ns": 1, "avg_ns": 2, "n_gen": 1}', "json"),
    (b"[" * 100_000, "json"),
    (b'"unclosed', "csv"),
    (as_csv().encode(), "empty"),
]


@pytest.mark.parametrize(("content", "reason"), OTHERS)
def test_another_kind_of_file(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(MalformedFile) as caught:
        read(written(tmp_path, content))
    assert caught.value.message.code == f"error.bench.{reason}"


def test_a_file_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 100)
    with pytest.raises(UnsupportedFile):
        read(written(tmp_path, [llama_row()]))
    monkeypatch.undo()
    monkeypatch.setattr(reading, "MAX_ROWS", 1)
    with pytest.raises(MalformedFile):
        read(written(tmp_path, [llama_row(), llama_row()]))


def test_what_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing", Path("/dev/null")):
        with pytest.raises((UnreadableFile, MalformedFile)):
            read(str(path))


def test_every_line_is_one_line_in_both_languages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for language in ("en", "ru"):
        for content in (llama_row(avg_ts="\x1b[31mfast\nfaster" * 50), vllm_result(mean_ttft_ms=0), b"{"):
            assert main(["bench", "import", written(tmp_path, content), "--lang", language]) == 2
            error, hint = capsys.readouterr().err.splitlines()
            assert error.startswith("error: results.json")
            assert hint.startswith("hint: ")
            assert "\x1b" not in error
            assert len(error) < 300
    assert not (tmp_path / "data").exists()


def test_whatever_a_field_holds_is_an_error_of_ours_or_a_measurement(tmp_path: Path) -> None:
    values: tuple[Any, ...] = (None, "", "x", -1, 0, 1, 1e308, 1e-308, [], {}, [None], True, "1e999", "١٢")
    path = tmp_path / "results.json"
    refused = 0
    for row in (llama_row(), vllm_result(), sglang_result()):
        for field in row:
            for value in values:
                path.write_text(json.dumps({**row, field: value}))
                try:
                    read(str(path))
                except BadInput:
                    refused += 1
    assert refused > 300
