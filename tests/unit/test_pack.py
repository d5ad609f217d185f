"""Servers on cards: against the verdict for one model, against sums made by hand, and every proposal fitted again."""

import json
from math import ceil, floor
from typing import Any

import pytest

from assay.answers import placing as placing_module
from assay.answers.asked import CheckRequest
from assay.answers.candidate import STEP
from assay.answers.check import answer as check
from assay.answers.pack import MOST_SERVERS, answer
from assay.answers.packed import Change, PackItem, PackRequest, PackResult
from assay.answers.placing import Placing, groups_of
from assay.cli.main import main
from assay.reason.memory.fit import available_memory
from assay.reason.pack.giving_up import ORDER, PRICES
from assay.reason.pack.search import arrange

OWNER = "RTX PRO 6000 Blackwell Workstation Edition"


def packed(*items: PackItem, gpus: tuple[str, ...]) -> PackResult:
    (result,) = answer(PackRequest(items, gpus)).results
    return result


def check_verdict(item: PackItem, gpu: str) -> str:
    asked = CheckRequest(item.model, (gpu,), item.runtime, item.weights, item.kv, item.context, item.users)
    (result,) = check(asked).results
    return result.verdict


@pytest.mark.parametrize("users", [1, 4, 12, 40])
@pytest.mark.parametrize(
    ("model", "gpu", "more"),
    [
        ("Qwen3-8B", "5090", {}),
        ("Qwen3-8B", "4090", {"kv": "fp8"}),
        ("Qwen3-30B-A3B", OWNER, {}),
        ("Qwen3-8B", "3090", {"runtime": "llama.cpp", "weights": "gguf:Q4_K_M"}),
        ("Qwen3-8B", "Tesla T4", {}),
        ("Qwen3-8B", "5090", {"runtime": "sglang"}),
        ("gemma-3-27b-it", "h100-sxm5-80gb", {}),
    ],
)
def test_one_server_on_one_card_gets_the_verdict_of_check(
    model: str, gpu: str, more: dict[str, Any], users: int
) -> None:
    item = PackItem(model, context=8192, users=users, copies=1, **more)
    assert packed(item, gpus=(gpu,)).verdict == check_verdict(item, gpu)


def seen_lowest(gpu: str) -> float:
    """What a process sees of a card, at its lower end."""
    from assay.answers.cards import card
    from assay.answers.judged import card_memory
    from assay.knowledge.identity.identify import identify

    found = available_memory(card_memory(card(identify(gpu).candidates[0]), 1), None).lowest
    assert found is not None
    return found


def test_fractions_hold_the_pessimistic_need_and_stay_below_the_usual_share() -> None:
    result = packed(
        PackItem("Qwen3-8B", context=16_384, users=2),
        PackItem("Qwen3-0.6B", context=8192),
        PackItem("Qwen3-1.7B", context=8192),
        gpus=(OWNER,),
    )
    seen = seen_lowest(OWNER)
    assert result.verdict == "yes"
    for server in result.servers:
        need = server.plans[0].total.highest or 0.0
        assert server.fraction == ceil(need / seen * 1000) / 1000
    assert sum(server.fraction or 0.0 for server in result.servers) <= 0.92
    free = sum(round((server.fraction or 0.0) * 1000) for server in result.servers)
    assert result.free[0].lowest == pytest.approx(seen * (920 - free) / 1000, abs=2)


def test_instances_are_whole_shares_of_the_card() -> None:
    item = PackItem("Qwen3-8B", context=8192)
    result = packed(item, gpus=(OWNER,))
    (one,) = packed(item._replace(copies=1), gpus=(OWNER,)).servers
    assert result.instances is not None
    assert result.instances.value == len(result.servers) == floor(920 / round((one.fraction or 0) * 1000))
    assert {server.fraction for server in result.servers} == {one.fraction}
    assert [row.instances for row in result.reach][: len(result.servers)] == list(range(1, len(result.servers) + 1))
    contexts = [row.context.value or 0 for row in result.reach]
    assert contexts == sorted(contexts, reverse=True)


@pytest.mark.parametrize("row", [0, -1])
def test_the_context_told_for_a_number_of_instances_fits_and_the_next_does_not(row: int) -> None:
    item = PackItem("Qwen3-8B", context=8192, users=4)
    found = packed(item, gpus=(OWNER,)).reach
    assert len({reach.context.value for reach in found}) > 1
    reach = found[row]
    context = int(reach.context.value or 0)
    told = item._replace(copies=reach.instances, context=context)
    assert packed(told, gpus=(OWNER,)).verdict == "yes"
    longer = told._replace(context=context // 1024 * 1024 + 1024)
    assert packed(longer, gpus=(OWNER,)).verdict != "yes"


def given(items: tuple[PackItem, ...], changes: tuple[Change, ...]) -> tuple[PackItem, ...]:
    """The items with what is left after some changes."""
    found = list(items)
    for change in changes:
        found[change.item] = found[change.item]._replace(**{change.kind: change.left})  # type: ignore[arg-type]
    return tuple(found)


def larger(change: Change) -> Change | None:
    """One step less given up; None where that is what was asked."""
    step = STEP if change.kind == "context" else 1
    if not isinstance(change.left, int) or not isinstance(change.asked, int):
        return None
    return change._replace(left=min(change.left + step, change.asked))


CASES: tuple[tuple[tuple[PackItem, ...], tuple[str, ...]], ...] = (
    ((PackItem("Qwen3-8B", context=32_768, users=8, copies=1),), ("5090",)),
    ((PackItem("Qwen3-8B", context=32_768, users=24, copies=1),), ("5090",)),
    ((PackItem("Qwen3-8B", context=40_960, users=64, copies=1),), ("4090",)),
    ((PackItem("Qwen3-14B", context=32_768, users=8, copies=1),), ("5090",)),
    ((PackItem("Qwen3-8B", context=16_384, copies=5),), (OWNER,)),
    ((PackItem("Qwen3-8B", context=40_000, users=9, copies=3),), (OWNER, "5090")),
    ((PackItem("Qwen3-8B", context=32_768, users=3), PackItem("Qwen3-0.6B", context=8192, users=4)), ("5090",)),
    ((PackItem("Qwen3-30B-A3B", context=32_768, users=8), PackItem("Qwen3-0.6B", context=8192)), ("2x 5090",)),
    ((PackItem("Qwen3-8B", 32_768, 8, runtime="llama.cpp", weights="gguf:Q4_K_M", copies=1),), ("3090",)),
    ((PackItem("Llama-3.3-70B", context=65_536, users=12, copies=1),), ("2x h100-sxm5-80gb",)),
)


@pytest.mark.parametrize("case", range(len(CASES)))
def test_what_is_proposed_fits_and_the_next_larger_step_does_not(case: int) -> None:
    items, gpus = CASES[case]
    result = packed(*items, gpus=gpus)
    assert result.verdict != "yes"
    assert result.proposals
    for changes in result.proposals:
        assert packed(*given(items, changes), gpus=gpus).verdict == "yes", changes
        for place, change in enumerate(changes):
            others = (*changes[:place], *changes[place + 1 :])
            more = larger(change)
            climbed = others if more is None else (*others, more)
            if change.kind != "weights" or len(changes) > 1:
                assert packed(*given(items, climbed), gpus=gpus).verdict != "yes", (change, climbed)


@pytest.mark.parametrize("case", range(len(CASES)))
def test_proposals_come_cheapest_first_and_whole_in_their_steps(case: int) -> None:
    items, gpus = CASES[case]
    proposals = packed(*items, gpus=gpus).proposals
    singles = [ORDER[changes[0].kind] for changes in proposals if len(changes) == 1]
    assert singles == sorted(singles)
    for changes in proposals:
        assert all(change.kind != "context" or int(change.left) % 1024 == 0 for change in changes)
    assert [price.kind for price in PRICES] == ["context", "kv", "users", "copies", "weights"]
    assert all(price.why for price in PRICES)


@pytest.mark.parametrize(
    ("model", "gpu", "asked"),
    [
        ("Qwen3-8B", "5090", {"context": 32_768, "concurrency": 8}),
        ("Qwen3-8B", "5090", {"context": 40_000, "concurrency": 3}),
        ("Qwen3-14B", "5090", {"context": 32_768, "concurrency": 8}),
        ("Qwen3-8B", "3090", {"context": 32_768, "concurrency": 8, "runtime": "llama.cpp", "weights": "gguf:Q4_K_M"}),
    ],
)
def test_what_check_advises_fits_and_the_next_larger_step_does_not(model: str, gpu: str, asked: dict[str, Any]) -> None:
    request = CheckRequest(model, (gpu,), **asked)

    def verdict(**left: Any) -> str:
        return check(request._replace(**left)).results[0].verdict

    (result,) = check(request).results
    assert result.verdict != "yes"
    tried = set()
    for code, parameters in ((one.code, dict(one.parameters)) for one in result.advice):
        if code == "advice.context":
            tokens = parameters["tokens"]
            assert isinstance(tokens, int)
            assert tokens % 1024 == 0
            assert verdict(context=tokens) == "yes"
            assert verdict(context=min(tokens + 1024, request.context or 0)) != "yes"
        elif code == "advice.concurrency":
            sequences = parameters["sequences"]
            assert isinstance(sequences, int)
            assert verdict(concurrency=sequences) == "yes"
            assert verdict(concurrency=sequences + 1) != "yes"
        elif code == "advice.kv":
            assert verdict(kv=parameters["kv"]) == "yes"
        elif code == "advice.weights":
            assert verdict(weights=parameters["format"]) == "yes"
        tried.add(code)
    assert tried & {"advice.context", "advice.together"}


def test_a_narrower_cache_is_only_proposed_where_the_card_has_it() -> None:
    kinds = {}
    for gpu in ("Tesla T4", "L4"):
        item = PackItem(
            "Qwen3-1.7B", context=32_768, users=3 if gpu == "Tesla T4" else 5, weights="fp16", kv="fp16", copies=1
        )
        kinds[gpu] = {change.kind for changes in packed(item, gpus=(gpu,)).proposals for change in changes}
    assert "kv" in kinds["L4"]
    assert "kv" not in kinds["Tesla T4"]


def test_a_cache_type_that_is_refused_does_not_stand_in_the_way_of_other_things() -> None:
    item = PackItem("Qwen3-8B", context=32_768, users=64, weights="fp16", kv="fp16", copies=1)
    (changes, *_) = packed(item, gpus=("quadro-rtx-6000",)).proposals
    assert {change.kind for change in changes} == {"context", "users"}


def kv_on_one_card(model: str, gpu: str) -> dict[int, float | None]:
    """KV bytes of one card for 8,192 tokens, by the number of cards that share the model."""
    found = answer(PackRequest((PackItem(model, context=8192, copies=1),), (f"4x {gpu}",)))
    (candidate,) = found.candidates
    return {
        sum(entry.number for entry in column): candidate.plans(candidate.terms, column)[0].kv.value
        for column in groups_of(found.results[0].cards)
    }


def test_kv_heads_are_divided_and_those_below_the_degree_replicated_as_is_a_latent_cache() -> None:
    # 40 layers x 8 heads x (128 + 128) elements x 2 B x 8,192 tokens
    whole = 40 * 8 * 256 * 2 * 8192
    assert kv_on_one_card("Qwen3-14B", "4090") == {1: whole, 2: whole / 2, 4: whole / 4}
    # 61 layers x (512 + 64) elements x 2 B x 8,192 tokens, whatever the number of heads
    latent = 61 * 576 * 2 * 8192
    assert kv_on_one_card("deepseek-ai/DeepSeek-V3", "b300-sxm") == {1: latent, 2: latent, 4: latent}
    two_heads = kv_on_one_card("Qwen/Qwen3.5-35B-A3B", "4090")
    assert two_heads[4] == two_heads[2] == pytest.approx((two_heads[1] or 0) / 2, abs=1)


def test_a_group_of_unequal_cards_is_as_small_as_its_smallest() -> None:
    item = PackItem("Qwen3-30B-A3B", context=8192, copies=1)
    result = packed(item, gpus=("l40s", "a100-pcie-40gb"))
    assert result.verdict == "yes"
    (server,) = result.servers
    need = max(plan.total.highest or 0 for plan in server.plans)
    assert server.fraction == ceil(need / min(seen_lowest("l40s"), seen_lowest("a100-pcie-40gb")) * 1000) / 1000
    assert "pack.unequal" in {reason.code for reason in result.reasons}


def test_a_server_that_is_told_no_fraction_stands_beside_one_that_is() -> None:
    items = (
        PackItem("Qwen3-8B", context=8192, runtime="llama.cpp", weights="gguf:Q4_K_M"),
        PackItem("Qwen3-8B", context=8192),
    )
    result = packed(*items, gpus=("5090",))
    assert result.verdict == "yes"
    plain, told = result.servers
    assert plain.fraction is None
    seen = seen_lowest("5090")
    used = (plain.plans[0].total.highest or 0) + (told.fraction or 0) * seen
    assert used <= 0.92 * seen
    assert result.free[0].lowest == pytest.approx(0.92 * seen - used, abs=2)


def test_what_is_not_known_to_run_is_not_promised_however_well_it_fits() -> None:
    # No matrix instruction of Hopper multiplies NVFP4, and what vLLM does instead was not read.
    item = PackItem("Qwen3-8B", context=8192, weights="nvfp4", copies=1)
    result = packed(item, gpus=("h100-sxm5-80gb",))
    assert result.verdict == "unknown"
    assert {reason.code for reason in result.reasons} == {"pack.of"}


def test_a_group_whose_cards_would_cut_a_scale_block_is_no_place() -> None:
    # Experts are 768 wide with blocks of 128: 2 cards hold 3 blocks each, 4 would hold one and a half.
    found = answer(PackRequest((PackItem("Qwen3-30B-A3B-FP8", context=8192, copies=1),), ("4x l40s",)))
    (candidate,) = found.candidates
    placing = Placing(found.candidates, found.results[0].cards)
    verdicts = [group.verdict for one in placing.groups if (group := placing.group(0, candidate.terms, one))]
    assert verdicts == ["yes", "yes", "no"]
    assert {len(way.kinds) for ways in placing.ways((candidate.terms,), certain=False) for way in ways} == {1, 2}


def test_the_same_model_twice_is_two_servers_told_apart() -> None:
    found = answer(PackRequest((PackItem("Qwen3-0.6B"), PackItem("Qwen3-0.6B", context=4096)), ("5090",)))
    assert found.names == ("Qwen3-0.6B #1", "Qwen3-0.6B #2")
    assert [server.item for server in found.results[0].servers] == [0, 1]


def test_as_many_as_fit_beside_another() -> None:
    items = (PackItem("Qwen3-14B", context=8192), PackItem("Qwen3-0.6B", context=8192, copies="max"))
    result = packed(*items, gpus=(OWNER,))
    count = sum(server.item == 1 for server in result.servers)
    assert packed(items[0], items[1]._replace(copies=count), gpus=(OWNER,)).verdict == "yes"
    assert packed(items[0], items[1]._replace(copies=count + 1), gpus=(OWNER,)).verdict != "yes"


def test_a_search_that_was_cut_short_says_so_and_never_says_no(monkeypatch: pytest.MonkeyPatch) -> None:
    def hurried(servers: Any, kinds: Any, _limit: int) -> Any:
        return arrange(servers, kinds, 1)

    monkeypatch.setattr(placing_module, "arrange", hurried)
    result = packed(PackItem("Qwen3-8B", copies=2), PackItem("Qwen3-0.6B"), gpus=(OWNER,))
    assert (result.verdict, result.proven) == ("unknown", False)
    assert "pack.cut" in {reason.code for reason in result.reasons}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["pack", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_settings_behind_a_model_win_over_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(
        capsys, "Qwen3-8B:context=8k,users=2,kv=fp8,copies=2", "Qwen3-0.6B", "--context", "4k", "--gpu", OWNER, "--json"
    )
    assert code == 0
    first, second = json.loads(out)["models"]
    assert (first["context"], first["users"], first["kv"], first["copies"]) == (8192, 2, "fp8", 2)
    assert (second["context"], second["users"], second["kv"], second["copies"]) == (4096, 1, "bf16", 1)


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ("Qwen3-8B:users=0", 2),
        ("Qwen3-8B:users=-1", 2),
        ("Qwen3-8B:context=0", 2),
        ("Qwen3-8B:context=many", 2),
        ("Qwen3-8B:colour=red", 2),
        ("Qwen3-8B:users=2,users=3", 2),
        ("Qwen3-8B:users=", 2),
        ("Qwen3-8B:kv=q3", 2),
        ("Qwen3-8B:runtime=ollama", 2),
        ("Qwen3-8B:copies=0", 2),
        ("Qwen3-8B:copies=65", 2),
        ("Qwen3-8B:copies=9007199254740991", 2),
        ("no-such-model", 2),
        (":context=8k", 2),
        ("Qwen3-8B:context=1000m", 1),
        ("Qwen3-8B:context=9007199254740991,users=9007199254740991", 1),
        ("Llama-3.3-70B", 1),
        ("Qwen3-8B:runtime=exllamav3", 3),
    ],
)
def test_exit_codes(capsys: pytest.CaptureFixture[str], spec: str, code: int) -> None:
    found, out, err = run(capsys, spec, "--gpu", "5090")
    assert found == code, err
    assert bool(err) == (code == 2)
    assert bool(out) == (code != 2)


def test_no_model_and_an_unknown_card_are_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--gpu", "5090")[0] == 2
    assert run(capsys, "Qwen3-8B", "--gpu", "no such card")[0] == 2
    assert run(capsys, "Qwen3-8B", "--gpu", "17x 5090")[0] == 2


def test_fifty_models_are_answered(capsys: pytest.CaptureFixture[str]) -> None:
    specs = [f"{name}:context={4096 + 512 * place}" for place in range(25) for name in ("Qwen3-0.6B", "Qwen3-1.7B")]
    code, out, _ = run(capsys, *specs, "--gpu", "4x 4090", "--json")
    (result,) = json.loads(out)["results"]
    assert code == {"yes": 0, "no": 1, "unknown": 3}[result["verdict"]]
    assert len(json.loads(out)["models"]) == 50
    assert run(capsys, *["Qwen3-0.6B"] * (MOST_SERVERS + 1), "--gpu", "4x 4090")[0] == 2


def test_a_card_too_small_for_any_names_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "Llama-3.3-70B", "--gpu", "4090")
    assert code == 1
    assert out.startswith("No: Llama-3.3-70B-Instruct does not fit on GeForce RTX 4090")
    assert "short by" in out


def test_a_refusal_is_not_called_too_large(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "Qwen3-0.6B", "--gpu", "Tesla T4")
    assert code == 1
    assert out.startswith("No: Qwen3-0.6B cannot run on Tesla T4 as asked")
    assert "fit" not in out.splitlines()[0]
    assert "short by" not in out


def test_an_ambiguous_card_forks_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "Qwen3-0.6B", "--gpu", "RTX PRO 6000 Blackwell", "--json")
    assert code == 0
    assert len(json.loads(out)["results"]) == 3


@pytest.mark.parametrize("runtime", ["sglang", "tensorrt-llm"])
def test_a_runtime_that_fills_a_card_by_its_own_rule_shares_it_with_nothing_for_certain(runtime: str) -> None:
    one = packed(PackItem("Qwen3-8B", runtime=runtime, copies=1), gpus=("RTX PRO 6000 Blackwell Workstation Edition",))
    assert one.verdict == "yes"
    two = packed(PackItem("Qwen3-8B", runtime=runtime, copies=2), gpus=("RTX PRO 6000 Blackwell Workstation Edition",))
    assert two.verdict == "unknown"
    assert [reason.code for reason in two.reasons] == ["pack.fills"]
    beside = (PackItem("Qwen3-0.6B", copies=1), PackItem("Qwen3-8B", runtime=runtime, copies=1))
    assert packed(*beside, gpus=("2x RTX PRO 6000 Blackwell Workstation Edition",)).verdict == "yes"
