"""What Assay predicts for a start of llama.cpp on a processor, and the starts that the tests make."""

from functools import cache

from llama_buffers import Case
from packages import GEMMA, SMOLLM2, real_file

from assay.answers.asked import CheckRequest
from assay.answers.check import model_of
from assay.knowledge.catalog.runtimes import kv_format
from assay.reason.memory import llama_cpp
from assay.reason.memory.cache import CachePolicy, kv_bytes
from assay.reason.memory.llama_cpp import Graphs, Layout, Slots
from assay.types.model import Model

MIB = 2**20
PADDING = 256
KV_TYPES = {"f16": "fp16", "q8_0": "q8_0", "q4_0": "q4_0"}
CASES = (
    Case(SMOLLM2, 512),
    Case(SMOLLM2, 2048, ubatch=64),
    Case(SMOLLM2, 4096, kv="q8_0"),
    Case(SMOLLM2, 4096, flash="disabled"),
    Case(SMOLLM2, 4096, 2, 128, "q4_0"),
    Case(SMOLLM2, 8192, 4, 1024),
    Case(SMOLLM2, 8192, ubatch=128, flash="disabled"),
    Case(SMOLLM2, 8192, 2, flash="auto"),
    Case(SMOLLM2, 8192, 4, 64, flash="disabled"),
    Case(SMOLLM2, 3000, 3),
    Case(SMOLLM2, 4096, 4, unified=True),
    Case(GEMMA, 512),
    Case(GEMMA, 2048, 1, 64),
    Case(GEMMA, 4096, 2, 128, "q8_0"),
    Case(GEMMA, 8192, 1, 1024, "q4_0"),
    Case(GEMMA, 8192, flash="disabled"),
    Case(GEMMA, 8192, 4, 512),
    Case(GEMMA, 2048, 2, 512, unified=True),
    Case(GEMMA, 4096, 1, 128, whole_windows=True),
)


def slots_of(case: Case) -> Slots:
    """The slots of a case, as a server divides its context."""
    context = case.context if case.unified else case.context // case.slots
    return Slots(context, case.slots, case.ubatch, case.unified, case.whole_windows)


@cache
def model_named(name: str) -> Model:
    """The model of a file of the cache."""
    return model_of(CheckRequest(str(real_file(name)), ()))


def predicted_kv(case: Case, model: Model) -> float:
    """MiB of all caches."""
    slots = slots_of(case)
    policy = CachePolicy(
        "full" if case.whole_windows else "cells",
        cell_padding=PADDING,
        batched_tokens=case.ubatch,
        unified=case.slots if case.unified else 1,
    )
    sequences = 1 if case.unified else case.slots
    return kv_bytes(model.layers, slots.context, sequences, kv_format(KV_TYPES[case.kv]), policy) / MIB


def graph_of(case: Case, model: Model) -> tuple[Layout, Graphs]:
    """The caches of a case, and the graph that is reserved for it."""
    laid = llama_cpp.layout(model, slots_of(case), PADDING)
    return laid, Graphs(min(case.slots, laid.tokens), case.flash != "disabled", case.kv != "f16", card=False)


def predicted_compute(case: Case, model: Model) -> float:
    """MiB of the processor's compute buffer."""
    return llama_cpp.allocated(llama_cpp.shape_of(model), *graph_of(case, model)).host / MIB
