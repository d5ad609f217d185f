"""llama.cpp's buffers: cells, the closed form against the allocator, and published logs of cards.

The logs are of releases of 2025, which reserved logits for the whole micro-batch and got masks in FP32.
"""

from itertools import product

import pytest

from assay.knowledge.catalog.runtimes import kv_format, runtime
from assay.reason.memory import llama_cpp
from assay.reason.memory.llama_cpp import Graphs, Share, Slots
from assay.reason.memory.llama_graph import FULL, WINDOWED, Block, Shape
from assay.reason.memory.placement import card_weights, host_weights, placed
from assay.types.model import BlockBytes, LayerGroup, Model, TensorGroup
from assay.types.quantity import exact
from assay.types.runtime import LlamaServer, RuntimeMemory

MIB = 2**20
OLDER = Graphs(outputs=0, widened=True)
PLAIN = Graphs(outputs=0, flash=False)


def memory() -> RuntimeMemory:
    found = runtime("llama.cpp").memory
    assert found is not None
    return found


def heads(query: int, kv: int, width: int) -> Block:
    return Block(FULL, query, kv, width, width)


LLAMA_8B = Shape(4096, 128_256, 14_336, 0, 1, ((heads(32, 8, 128), 32),))
QWEN3_30B = Shape(2048, 151_936, 8 * 768, 128, 8, ((heads(32, 4, 128), 48),))
QWEN3_235B = Shape(4096, 151_936, 8 * 1536, 128, 8, ((heads(64, 4, 128), 94),))
GLM4_32B = Shape(6144, 151_552, 23_040, 0, 1, ((heads(48, 2, 128), 61),))
GEMMA = Shape(640, 262_144, 2048, 0, 1, ((Block(WINDOWED, 4, 1, 256, 256), 15), (Block(FULL, 4, 1, 256, 256), 3)))


@pytest.mark.parametrize(
    ("shape", "ubatch", "context", "graph", "logged", "log"),
    [
        (LLAMA_8B, 1024, 16_384, OLDER, 613.01, "llama-cpp-vulkan-b5781"),
        (QWEN3_30B, 512, 16_384, PLAIN, 1080.00, "llama-cpp-qwen3-30b-a3b-rtx4090-rtx5090"),
        (QWEN3_235B, 512, 16_384, OLDER, 304.75, "llama-cpp-qwen3-235b-q6k-2x3090-b5271, the second card"),
    ],
)
def test_a_published_cards_buffer_is_that_of_the_older_graph(
    shape: Shape, ubatch: int, context: int, graph: Graphs, logged: float, log: str
) -> None:
    laid = llama_cpp.Layout(ubatch, 1, (context, 0))
    graph = graph._replace(outputs=ubatch)
    assert llama_cpp.allocated(shape, laid, graph).card / MIB == pytest.approx(logged, rel=0.003), log


def test_a_fused_mlp_takes_less_and_the_figure_is_no_less() -> None:
    laid = llama_cpp.Layout(512, 1, (32_768, 0))
    logged = 353.00  # llama-cpp-glm4-32b-rtx3090ti-b5274: gate and up are one tensor there
    assert logged <= llama_cpp.allocated(GLM4_32B, laid, OLDER._replace(outputs=512)).card / MIB < logged * 1.15


@pytest.mark.parametrize("shape", [LLAMA_8B, QWEN3_30B, GEMMA])
def test_the_closed_form_is_the_allocators_peak(shape: Shape) -> None:
    """Exact where the micro-batch is whole and logits are few; with a copy of the cache a little may lack."""
    cases = product((512, 4096, 32_768), (1, 2, 4), (128, 512), (True, False), (True, False), (True, False))
    for context, slots, ubatch, flash, card, copied in cases:
        if copied and not (card and flash):
            continue
        windows = min(context, -(-(512 + ubatch) // 256) * 256)
        laid = llama_cpp.Layout(ubatch, slots, (context, windows if shape is GEMMA else 0))
        graph = Graphs(slots, flash, copied=copied, card=card)
        real = llama_cpp.allocated(shape, laid, graph)
        closed = llama_cpp.reserved(shape, laid, graph, ubatch)
        place = 1 if card else 0
        assert closed[place] >= real[place] * (0.93 if copied else 0.999), (context, slots, ubatch, flash, card)
        assert closed[place] <= real[place] * (1.15 if copied else 1.11), (context, slots, ubatch, flash, card)


def test_slots_are_padded_each_and_the_micro_batch_is_a_multiple_of_them() -> None:
    assert llama_cpp.cells(1000, 256) == 1024
    assert llama_cpp.micro_batch(Slots(1000, 3), 256) == 513
    assert llama_cpp.micro_batch(Slots(200, 1), 256) == 256
    assert llama_cpp.micro_batch(Slots(4096, 4, 512, unified=True), 256) == 512


def test_windows_keep_a_micro_batch_more_and_shared_ones_are_added() -> None:
    assert llama_cpp.window_cells(512, 8192, Slots(8192, 4), 256) == 1024
    assert llama_cpp.window_cells(512, 8192, Slots(8192, 4, unified=True), 256) == 2560
    assert llama_cpp.window_cells(512, 8192, Slots(8192, whole_windows=True), 256) == 8192
    assert llama_cpp.window_cells(512, 768, Slots(768), 256) == 768


def model(**changes: object) -> Model:
    groups = (
        TensorGroup("embedding", "gguf:Q4_K", 100, 100, 1, 100 * MIB),
        TensorGroup("head", "gguf:Q6_K", 100, 100, 1, 150 * MIB),
        TensorGroup("experts", "gguf:Q4_K", 100, 100, 1, 900 * MIB),
        TensorGroup("attention", "gguf:Q4_K", 100, 100, 1, 60 * MIB),
        TensorGroup("norm", "gguf:F32", 1, 1, 1, 1 * MIB),
    )
    blocks = tuple(BlockBytes(size * MIB, 20 * MIB, size * MIB // 2, 10 * MIB) for size in (200, 300, 400))
    size = sum(group.size for group in groups)
    plain = Model(
        "m", "qwen3_moe", None, None, groups, (LayerGroup("full", 3, 32, 4, 128, 128),),
        exact(size, "B", "documented", "file"), 2048, 151_936, 6144, 128, 8, 40_960, "gguf", blocks=blocks,
    )  # fmt: skip
    values = {name: getattr(plain, name) for name in plain.__slots__} | changes
    return Model(**values)


def test_the_embedding_table_stays_in_host_memory_and_what_is_left_lies_on_the_card() -> None:
    found = placed(model(), LlamaServer())
    assert (found.card / MIB, found.host / MIB, found.streamed) == (1111, 100, 0)


def test_a_tied_table_is_loaded_twice() -> None:
    groups = tuple(group for group in model().groups if group.role != "head")
    size = sum(group.size for group in groups)
    found = placed(model(groups=groups, weights=exact(size, "B", "documented")), LlamaServer())
    assert (found.card, found.host / MIB) == (size, 100)


def test_the_experts_of_the_first_blocks_leave_to_the_byte() -> None:
    found = placed(model(), LlamaServer(host_experts=2))
    assert (found.card / MIB, found.host / MIB, found.streamed / MIB) == (1111 - 500, 100 + 500, 150)


def test_the_last_blocks_and_the_output_stay() -> None:
    two = placed(model(), LlamaServer(gpu_layers=2))  # the output and the last block
    assert (two.card / MIB, two.host / MIB) == (150 + 420 + 1, 100 + 220 + 320)
    none = placed(model(), LlamaServer(gpu_layers=0))
    assert (none.card / MIB, none.host / MIB) == (1, 100 + 150 + 960)
    assert placed(model(), LlamaServer(gpu_layers=4)) == placed(model(), LlamaServer())


def test_equal_blocks_are_an_assumption_and_known_ones_are_none() -> None:
    assert card_weights(model(), LlamaServer(host_experts=1)).root == "documented"
    assert card_weights(model(blocks=()), LlamaServer(host_experts=1)).root == "assumed"
    assert host_weights(model(blocks=()), LlamaServer(host_experts=1)).value == (100 + 300) * MIB


def test_a_matrix_in_host_memory_is_copied_to_the_card() -> None:
    terms, engine = memory().compute, memory()
    assert terms is not None
    share = Share(kv_format("fp16"))
    plain, moved = (
        llama_cpp.compute_bytes(model(), engine._replace(server=server), terms, Slots(4096), share).card
        for server in (LlamaServer(), LlamaServer(host_experts=2))
    )
    assert moved[1] - plain[1] == moved[2] - plain[2] == 150 * MIB
    assert moved[0] == plain[0]


def test_a_cache_of_another_type_is_copied_and_older_releases_keep_logits_of_every_token() -> None:
    terms, engine = memory().compute, memory()
    assert terms is not None
    dense = model(experts=0, experts_per_token=0)
    half, quantized = (
        llama_cpp.compute_bytes(dense, engine, terms, Slots(131_072), Share(kv_format(name))).card
        for name in ("fp16", "q8_0")
    )
    assert quantized[1] - half[1] > 100 * MIB  # 131,072 x 2 x 4 x 128 x 2 B are 256 MiB, less what the MLP had
    assert half[2] > 512 * 151_936 * 4
    assert half[1] < 512 * 151_936 * 4


def test_several_cards_keep_the_inputs_of_every_batch_on_its_way() -> None:
    terms, engine = memory().compute, memory()
    assert terms is not None
    one, two = (
        llama_cpp.compute_bytes(model(), engine, terms, Slots(8192), Share(kv_format("fp16"), cards)).card
        for cards in (1, 2)
    )
    inputs = 512 * (8192 * 2 + 2048 * 4)
    assert two[1] - one[1] == 3 * inputs
    assert two[0] == one[0]


def test_recurrent_layers_are_bounded_by_their_states() -> None:
    terms, engine = memory().compute, memory()
    assert terms is not None
    share, state = Share(kv_format("fp16")), 3 * MIB
    plain, mixed = (
        llama_cpp.compute_bytes(model(layers=(*model().layers, recurrent)), engine, terms, Slots(8192, 2), share).card
        for recurrent in (LayerGroup("linear", 9), LayerGroup("linear", 9, state_size=state))
    )
    row = state / 128 * 512 + state * 2
    assert [more - less for less, more in zip(plain, mixed, strict=True)] == pytest.approx([0, 6 * row, 16 * row])


def test_shared_slots_add_their_windows_and_flash_attention_may_be_off() -> None:
    engine = memory()
    shared = llama_cpp.slots_of(engine._replace(server=LlamaServer(unified=4)), 8192, 1)
    assert (shared.context, shared.number, shared.unified) == (8192, 4, True)
    terms, share = engine.compute, Share(kv_format("fp16"))
    assert terms is not None
    dense = model(experts=0, experts_per_token=0)
    off = engine._replace(server=LlamaServer(flash=False))
    scores = 512 * 32_768 * 32 * 4
    assert llama_cpp.compute_bytes(dense, off, terms, Slots(32_768), share).card[0] > 0.6 * scores
    assert llama_cpp.compute_bytes(dense, engine, terms, Slots(32_768), share).card[2] < scores


def test_the_host_holds_table_logits_buffer_process_and_prompts() -> None:
    engine = memory()
    found = llama_cpp.host_memory(model(), engine, Slots(8192, 2), Share(kv_format("fp16")), (9 * MIB, 5 * MIB))
    parts = dict(found.inputs)
    assert parts["weights in host memory"].value == 100 * MIB
    assert parts["KV cache in host memory"].value == 4 * MIB
    assert parts["rows of logits"].value == 2 * 151_936 * 4
    assert parts["prompt_cache"].high == 8 * 2**30
    assert parts["compute buffer in host memory"].low == 0
