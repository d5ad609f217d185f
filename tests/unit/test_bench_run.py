"""A ladder against a server that behaves, and against servers that do not: bounded time, one line, nothing lost."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from launched import free_port
from openai_server import Behaviour, Handler, serving

from assay.answers.bench_run import RunRequest, run
from assay.answers.measured import Naming
from assay.cli.main import main
from assay.errors import AssayError, BadInput, NetworkFailure, PermissionRefused, UsageError
from assay.observe.measurements.ladder import _fallbacks
from assay.observe.measurements.prompts import prompt, words_for
from assay.observe.measurements.server import KEY_VARIABLE, address_of
from assay.observe.measurements.store import everything
from assay.observe.profile import store_path

SCHEMA = Path(__file__).parents[2] / "src/assay/report/json/schemas/assay.bench-1.json"
CARD = "RTX PRO 6000 Blackwell Workstation Edition"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


def asked(url: str, **changes: Any) -> RunRequest:
    plain = RunRequest(url, Naming(CARD), (1,), prompt=20, output=8, seconds=5.0, most=3, silence=1.0)
    return plain._replace(**changes)


def test_what_a_server_is_asked_and_what_is_made_of_it() -> None:
    behaviour = Behaviour(token_seconds=0.01)
    with serving(behaviour) as url:
        found = run(asked(url, concurrency=(1, 3), most=6))
    first, second = found.measurements
    assert (found.exit_code, found.stopped) == (0, None)
    assert (first.runtime, first.version, first.gpu) == ("vllm", "0.11.0", "rtx-pro-6000-blackwell-workstation-edition")
    assert (first.model.id, first.model.named_by) == ("Qwen/Qwen3-8B", "server")
    assert (first.workload.concurrency, second.workload.concurrency) == (1, 3)
    assert (first.workload.prompt, first.workload.output) == (20.0, 8.0)
    assert (first.figures.samples, second.figures.samples) == (6, 6)
    assert first.partial is None
    assert everything(store_path()) == found.measurements
    warm_up, *counted = behaviour.asked
    assert len(counted) == 12
    assert {request["max_tokens"] for request in counted} == {8}
    assert all(request["ignore_eos"] and request["temperature"] == 0 for request in counted)
    assert behaviour.most_at_once == 3
    assert warm_up["path"] == "/v1/completions"


def test_the_figures_are_those_of_the_times() -> None:
    """Tokens 20 ms apart after 100 ms: bounds that hold on a busy machine, and what follows from each other exactly."""
    with serving(Behaviour(token_seconds=0.02, first_seconds=0.1)) as url:
        (one,) = run(asked(url, most=3)).measurements
    figures = one.figures
    assert figures.decode_per_sequence is not None
    assert figures.decode_per_sequence <= 50.0
    assert figures.itl.p50 is not None
    assert figures.itl.p50 >= 0.02
    assert figures.ttft.p50 is not None
    assert figures.ttft.p50 >= 0.1
    assert figures.prefill is not None
    assert figures.prefill <= 200.0
    assert figures.throughput is not None
    assert figures.throughput <= 8 / (0.1 + 7 * 0.02)
    assert figures.decode_total == pytest.approx(figures.decode_per_sequence, rel=0.2)


def test_prompts_are_different_from_the_first_word_and_of_the_wanted_length() -> None:
    behaviour = Behaviour()
    with serving(behaviour) as url:
        run(asked(url, most=8, prompt=40))
    texts = [request["prompt"] for request in behaviour.asked]
    assert len({text.split()[0] for text in texts}) > len(texts) // 2
    assert len(set(texts)) == len(texts)
    assert {len(text.split()) for text in texts[1:]} == {37}  # the server counts three tokens more
    assert prompt("run", 5, 20) == prompt("run", 5, 20)
    assert prompt("run", 5, 20) != prompt("another run", 5, 20)


@pytest.mark.parametrize(
    ("wanted", "before", "counted", "words"),
    [(100, 100, None, 100), (100, 100, 110, 90), (100, 100, 200, 50), (100, 100, 50, 200), (10, 10, 40, 2)],
)
def test_words_for_tokens(wanted: int, before: int, counted: int | None, words: int) -> None:
    assert words_for(wanted, before, counted) == words


def test_a_server_that_knows_neither_completions_nor_extras() -> None:
    behaviour = Behaviour(chat_only=True, refuses=("ignore_eos", "stream_options"))
    with serving(behaviour) as url:
        (found,) = run(asked(url + "/v1/")).measurements
    assert {request["path"] for request in behaviour.asked[-3:]} == {"/v1/chat/completions"}
    assert len(behaviour.asked) <= len(list(_fallbacks())) + 3
    assert found.workload.prompt is None
    assert found.workload.output == 8
    assert found.figures.prefill is None
    assert [note.code for note in found.notes] == ["bench.note.by_chunks"]


def test_chunks_of_several_tokens_are_counted_by_the_server() -> None:
    with serving(Behaviour(tokens_in_a_chunk=4, token_seconds=0.02)) as url:
        (found,) = run(asked(url, output=16)).measurements
    assert found.workload.output == 16
    assert (found.figures.itl.p50, found.figures.itl.p99) == (None, None)
    assert found.figures.decode_per_sequence is not None
    assert found.figures.decode_per_sequence > 50
    assert [note.code for note in found.notes] == ["bench.note.several_in_a_chunk"]


def test_a_rung_ends_with_its_time() -> None:
    behaviour = Behaviour(token_seconds=0.005)
    begin = time.monotonic()
    with serving(behaviour) as url:
        (found,) = run(asked(url, seconds=0.5, most=10**6)).measurements
    assert time.monotonic() - begin < 4
    assert found.partial is None
    assert 1 <= found.figures.samples < 40


def test_one_of_several_models_has_to_be_chosen() -> None:
    behaviour = Behaviour(models=("a", "b"))
    with serving(behaviour) as url:
        with pytest.raises(UsageError) as caught:
            run(asked(url))
        assert caught.value.candidates == ("a", "b")
        (found,) = run(asked(url, naming=Naming(CARD, "b"))).measurements
    assert found.model.text == "b"
    assert {request["model"] for request in behaviour.asked} == {"b"}


def test_the_catalogues_name_of_a_model_that_the_server_calls_otherwise() -> None:
    behaviour = Behaviour(models=("mine",))
    with serving(behaviour) as url:
        (found,) = run(asked(url, naming=Naming(CARD, "Qwen3-8B", weights="fp8"))).measurements
    assert (found.model.id, found.model.weights) == ("Qwen/Qwen3-8B", "fp8")
    assert {request["model"] for request in behaviour.asked} == {"mine"}


def test_what_nobody_names_is_said() -> None:
    with serving(Behaviour(owner="me", version=None)) as url:
        found = run(asked(url, naming=Naming()))
    codes = [said.code for said in found.messages]
    assert "bench.no_runtime" in codes
    assert "bench.no_gpu" in codes or "bench.card_of_machine" in codes
    assert found.measurements[0].runtime is None


# Servers that misbehave. Each is told by a line, within bounded time, and what was measured before is kept.


def _only_after(number: int, act: Callable[[Handler], bool]) -> Callable[[Handler, int], bool]:
    return lambda handler, count: act(handler) if count >= number else False


def _silent(handler: Handler) -> bool:
    handler.begin_stream()
    time.sleep(3)
    return True


def _never(handler: Handler) -> bool:
    time.sleep(3)
    handler.close_connection = True
    return True


def _raw(text: bytes, kind: str = "text/event-stream") -> Callable[[Handler], bool]:
    def act(handler: Handler) -> bool:
        handler.begin_stream(kind)
        handler.wfile.write(text)
        return True

    return act


def _drip(handler: Handler) -> bool:
    """A byte now and then, never a line: no silence is ever long."""
    handler.begin_stream()
    for _ in range(60):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)
    return True


def _whole(handler: Handler) -> bool:
    handler.answer(200, {"choices": [{"text": "all at once", "finish_reason": "stop"}]})
    return True


def _reset(handler: Handler) -> bool:
    handler.connection.close()
    handler.close_connection = True
    return True


TOKEN = b'data: {"choices": [{"text": " a", "finish_reason": null}]}\n\n'
LAST = b'data: {"choices": [{"text": "", "finish_reason": "stop"}]}\n\n'
BAD: dict[str, tuple[Callable[[Handler], bool], str, type[AssayError]]] = {
    "500": (lambda handler: handler.refuse(500, "CUDA error: out of memory"), "status", NetworkFailure),
    "503": (lambda handler: handler.refuse(503, "loading"), "busy", NetworkFailure),
    "401": (lambda handler: handler.refuse(401, "Incorrect API key: secret-key"), "key", PermissionRefused),
    "404": (lambda handler: handler.refuse(404, "no such model"), "missing", BadInput),
    "400": (lambda handler: handler.refuse(400, "exceeds the context"), "rejected", BadInput),
    "307": (lambda handler: handler.answer(307, b"") or True, "redirect", NetworkFailure),
    "silent": (_silent, "stalled", NetworkFailure),
    "never": (_never, "stalled", NetworkFailure),
    "closes": (_raw(TOKEN + TOKEN), "closed", NetworkFailure),
    "resets": (_reset, "closed", NetworkFailure),
    "garbage": (_raw(b"\x00\xff<html>\n\n"), "garbage", NetworkFailure),
    "half an object": (_raw(b'data: {"choices": [{"te\n\n'), "garbage", NetworkFailure),
    "a list": (_raw(b"data: [1, 2]\n\n"), "garbage", NetworkFailure),
    "an error": (_raw(TOKEN + b'data: {"error": {"message": "engine died"}}\n\n'), "error", NetworkFailure),
    "vllm's error": (_raw(b'data: {"object": "error", "message": "engine died"}\n\n'), "error", NetworkFailure),
    "nothing": (_raw(LAST + b"data: [DONE]\n\n"), "no_tokens", NetworkFailure),
    "a long line": (_raw(b"data: " + b"x" * (2**20 + 1)), "garbage", NetworkFailure),
    "no stream": (_whole, "no_stream", NetworkFailure),
    "html": (_raw(b"<html></html>", "text/html"), "no_stream", NetworkFailure),
}


@pytest.mark.parametrize("name", BAD)
def test_a_server_that_misbehaves_from_the_first_request(name: str) -> None:
    act, code, error = BAD[name]
    begin = time.monotonic()
    with serving(Behaviour(before=_only_after(1, act))) as url, pytest.raises(error) as caught:
        run(asked(url))
    assert caught.value.message.code == f"bench.trouble.{code}"
    assert time.monotonic() - begin < 8
    assert everything(store_path()) == ()


@pytest.mark.parametrize("name", BAD)
def test_a_server_that_misbehaves_in_the_second_rung(name: str) -> None:
    """One warm-up, three requests of the first rung, one of the second, then the misfortune."""
    act, code, _ = BAD[name]
    begin = time.monotonic()
    with serving(Behaviour(before=_only_after(6, act))) as url:
        found = run(asked(url, concurrency=(1, 2)))
    assert time.monotonic() - begin < 8
    assert found.stopped is not None
    assert found.stopped.code == f"bench.trouble.{code}"
    assert found.exit_code in {2, 4}
    first, *rest = everything(store_path())
    assert first.partial is None
    assert [each.partial for each in rest] == [found.stopped] * len(rest)
    assert found.measurements == (first, *rest)


def test_a_server_that_drips_is_left_when_its_time_is_over() -> None:
    begin = time.monotonic()
    with serving(Behaviour(before=_only_after(3, _drip))) as url:
        found = run(asked(url, seconds=0.5, silence=1.0))
    assert time.monotonic() - begin < 6
    assert found.stopped is not None
    assert found.stopped.code == "bench.trouble.late"
    assert found.measurements[0].figures.samples == 1


def test_a_server_that_drips_at_the_warm_up() -> None:
    begin = time.monotonic()
    with serving(Behaviour(before=_only_after(1, _drip))) as url, pytest.raises(NetworkFailure) as caught:
        run(asked(url, silence=0.3))
    assert caught.value.message.code == "bench.trouble.late"
    assert time.monotonic() - begin < 5


def test_nobody_listens() -> None:
    with pytest.raises(NetworkFailure) as caught:
        run(asked(f"http://127.0.0.1:{free_port()}"))
    assert caught.value.message.code == "bench.trouble.refused"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://localhost",
        "http://",
        "http://user:secret@localhost:8000",
        "http://localhost:8000/?key=1",
        "http://[",
        "http://h:99999",
    ],
)
def test_an_address_that_is_none(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "run", "--url", url]) == 2
    assert "secret" not in capsys.readouterr().err


def test_addresses() -> None:
    assert address_of("localhost:8000/v1/").text == "http://localhost:8000"
    assert address_of("https://host/proxy/v1").text == "https://host/proxy"
    assert address_of("http://[::1]:8000").text == "http://[::1]:8000"
    assert address_of("http://127.0.0.1:1").local
    assert not address_of("http://10.0.0.1:1").local


@pytest.mark.parametrize(
    "options", [("--concurrency", "0"), ("--concurrency", "1,,2"), ("--concurrency", "1,x"), ("--concurrency", "9999"),
                ("--seconds", "0"), ("--prompt", "0"), ("--max-requests", "0"), ("--gpu", "no such card")]
)  # fmt: skip
def test_a_ladder_that_cannot_be_climbed(options: tuple[str, str]) -> None:
    assert main(["bench", "run", "--url", "http://127.0.0.1:9", *options]) == 2


def test_the_key_is_sent_and_neither_stored_nor_shown(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "secret-key")
    behaviour = Behaviour()
    with serving(behaviour) as url:
        assert main(["bench", "run", "--url", url, "--gpu", CARD, "--concurrency", "1", "--max-requests", "2",
                     "--prompt", "8", "--output", "4", "--json"]) == 0  # fmt: skip
    assert {headers["Authorization"] for headers in behaviour.headers} == {"Bearer secret-key"}
    refusing = Behaviour(before=_only_after(1, lambda handler: handler.refuse(500, "bad key secret-key")))
    with serving(refusing) as url:
        assert main(["bench", "run", "--url", url, "--gpu", CARD]) == 4
    shown = capfd.readouterr()
    assert "secret-key" not in shown.out + shown.err
    assert b"secret-key" not in store_path().read_bytes()


def test_nothing_is_stored_where_that_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Behaviour()) as url:
        arguments = ["--url", url, "--gpu", CARD, "--concurrency", "1", "--max-requests", "2", "--no-save", "--json"]
        assert main(["bench", "run", *arguments]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["store"], document["measurements"][0]["id"]) == (None, None)
    assert not store_path().exists()


def test_the_document_of_a_run_that_was_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    schema = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    act, _, _ = BAD["500"]
    with serving(Behaviour(before=_only_after(9, act))) as url:
        arguments = ["--url", url, "--gpu", CARD, "--concurrency", "1,2", "--max-requests", "5", "--output", "4"]
        assert main(["bench", "run", *arguments, "--json"]) == 4
    document = json.loads(capsys.readouterr().out)
    schema.validate(document)
    assert "out of memory" in document["stopped"]
    assert [each["complete"] for each in document["measurements"]] == [True, False]
    assert document["measurements"][1]["partial"] == document["stopped"]


RUN = "import sys; from assay.cli.main import main; sys.exit(main(sys.argv[1:]))"


def _started(url: str, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN, "bench", "run", "--url", url, "--gpu", CARD, "--output", "4", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_kill_9_in_the_middle_keeps_every_finished_rung() -> None:
    """Killed in the third rung: two are whole, what the third had is labelled, the store opens and takes more."""
    behaviour = Behaviour(token_seconds=0.005)
    with serving(behaviour) as url:
        with _started(url, "--concurrency", "1,2,3", "--max-requests", "4", "--seconds", "60") as process:
            _wait_for(lambda: len(behaviour.asked) >= 1 + 4 + 4 + 2)
            behaviour.token_seconds = 0.3
            _wait_for(lambda: len(everything(store_path())) >= 2)
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        kept = everything(store_path())
        assert [each.workload.concurrency for each in kept[:2]] == [1, 2]
        assert [each.partial for each in kept[:2]] == [None, None]
        assert [each.partial and each.partial.code for each in kept[2:]] in ([], ["bench.partial.running"])
        behaviour.token_seconds = 0.002
        (more,) = run(asked(url)).measurements
    assert everything(store_path()) == (*kept, more)


def test_ctrl_c_keeps_and_labels_what_was_measured() -> None:
    behaviour = Behaviour(token_seconds=0.005)
    with serving(behaviour) as url, _started(url, "--concurrency", "1,2", "--seconds", "60", "--json") as process:
        _wait_for(lambda: len(behaviour.asked) >= 10)
        begin = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    assert time.monotonic() - begin < 10
    assert process.returncode == 130
    document = json.loads(out)
    (rung,) = document["measurements"]
    assert (rung["complete"], rung["concurrency"]) == (False, 1)
    (kept,) = everything(store_path())
    assert kept.partial is not None
    assert kept.partial.code == "bench.partial.interrupted"
    assert kept.figures.samples >= 5


def test_ctrl_c_before_anything_was_measured() -> None:
    with serving(Behaviour(before=_only_after(1, _never))) as url, _started(url, "--json") as process:
        time.sleep(1.5)
        os.kill(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert json.loads(out)["error"]["kind"] == "interrupted"


def test_threads_are_gone_after_a_run() -> None:
    before = threading.active_count()
    with serving(Behaviour()) as url:
        run(asked(url, concurrency=(4,), most=8))
    _wait_for(lambda: threading.active_count() <= before)


def test_what_a_plain_question_never_loads() -> None:
    code = (
        "import sys; from assay.cli.main import main; main(['check', 'Qwen3-8B', '--gpu', '5090', '--json']);"
        "bad = [m for m in sys.modules if 'measure' in m or 'bench' in m or m in ('sqlite3.dbapi', 'http.client')];"
        "print(bad, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
