"""Every buffer that llama.cpp logs on a processor, against what is predicted for it; nothing is fitted to these rows.

SmolLM2 (one kind of layer, tied embeddings) and Gemma 3 270M (five windowed layers to one) are really started, by
package xllamacpp. A processor's buffers prove the graph and the allocator; a card's stay derived.
"""

import pytest
from llama_buffers import Buffers, Case, buffers
from llama_predicted import CASES, MIB, graph_of, model_named, predicted_compute, predicted_kv
from packages import SMOLLM2, real_file

from assay.knowledge.catalog.runtimes import kv_format, runtime
from assay.observe.checkpoint import gguf
from assay.reason.memory import llama_cpp
from assay.reason.memory.llama_cpp import Slots

pytest.importorskip("xllamacpp")
KV_TOLERANCE_MIB = 0.01
COMPUTE_TOLERANCE = 0.05
REPACKED = {"gguf:Q4_0", "gguf:Q4_K", "gguf:IQ4_NL"}
"""Types that a processor with AVX2 may keep a second time, in another order (ggml/src/ggml-cpu/repack.cpp)."""


def _predicted_repack(name: str) -> float:
    """MiB of the matrices that are kept twice: not the embedding, whose rows are looked up."""
    tensors = gguf.header(real_file(name)).tensors
    kept = [tensor for tensor in tensors if tensor.format in REPACKED and not tensor.name.startswith("token_embd")]
    return sum(tensor.size for tensor in kept if tensor.shape[1] % 8 == 0) / MIB


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(map(str, case)))
def run(request: pytest.FixtureRequest) -> tuple[Case, Buffers]:
    case: Case = request.param
    return case, buffers(case, real_file(case.model))


def test_every_buffer_is_the_predicted_one(run: tuple[Case, Buffers]) -> None:
    case, logged = run
    model = model_named(case.model)
    assert sum(logged.kv) == pytest.approx(predicted_kv(case, model), abs=KV_TOLERANCE_MIB)
    assert logged.compute == pytest.approx(predicted_compute(case, model), rel=COMPUTE_TOLERANCE, abs=0.01)
    assert logged.output == pytest.approx(llama_cpp.output_bytes(model, case.slots) / MIB, abs=0.01)
    assert logged.model["CPU_Mapped"] == pytest.approx((model.weights.value or 0) / MIB, abs=0.01)
    repacked = logged.model.get("CPU_REPACK", 0)
    assert repacked == 0 or repacked == pytest.approx(_predicted_repack(case.model), abs=0.01)


def test_the_search_counts_the_same_graph(run: tuple[Case, Buffers]) -> None:
    """What a search computes in closed form is no less than the graph allocated tensor by tensor, and close to it."""
    case, logged = run
    model = model_named(case.model)
    laid, graph = graph_of(case, model)
    closed = llama_cpp.reserved(llama_cpp.shape_of(model), laid, graph, case.ubatch).host / MIB
    assert logged.compute * 0.99 - 0.01 <= closed <= logged.compute * 1.1


def test_a_cards_interval_holds_the_processors_buffer() -> None:
    """Without inputs that a card does not have the same graph is computed there: 18.6 MiB is inside, not below it."""
    model = model_named(SMOLLM2)
    memory = runtime("llama.cpp").memory
    assert memory is not None
    assert memory.compute is not None
    (low, _, high), _ = llama_cpp.compute_bytes(
        model, memory, memory.compute, Slots(4096), llama_cpp.Share(kv_format("fp16"))
    )
    assert low < 18.64 * MIB < high
