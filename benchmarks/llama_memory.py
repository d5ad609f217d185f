"""llama.cpp's logged buffers against the predicted ones: the whole grid of contexts, slots, micro-batches and types.

    python benchmarks/llama_memory.py [--quick]

Needs xllamacpp and the model files of tools/fetch_test_models.py. Prints one row for each start, then the largest
errors; the grid has some hundred starts, `--quick` takes those of tests/oracle/test_llama_memory.py.
"""

import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "support")]

from llama_buffers import Case, buffers  # noqa: E402
from llama_predicted import CASES, model_named, predicted_compute, predicted_kv  # noqa: E402
from packages import GEMMA, SMOLLM2, real_file  # noqa: E402

HEAD = f"{'model':8} {'context':>7} {'slots':>5} {'ubatch':>6} {'kv':5} {'flash':8}" + "".join(
    f"{name:>9}{'log':>9}{'%':>8}" for name in ("KV", "compute")
)


def grid() -> Iterator[Case]:
    """Every start that llama.cpp allows: quantized values need flash attention."""
    sizes = product((SMOLLM2, GEMMA), (512, 2048, 4096, 8192), (1, 2, 4), (64, 128, 512, 1024))
    for (model, context, slots, ubatch), flash, kv in product(sizes, ("enabled", "disabled"), ("f16", "q8_0", "q4_0")):
        if (flash == "enabled" or kv == "f16") and context // slots >= 256:
            yield Case(model, context, slots, ubatch, kv, flash)


def main() -> int:
    """Print the table; 1 if a buffer is outside its tolerance."""
    cases = list(CASES if "--quick" in sys.argv[1:] else grid())
    print(HEAD)
    worst_kv = worst_compute = 0.0
    for case in cases:
        model = model_named(case.model)
        logged = buffers(case, real_file(case.model))
        kv, compute = predicted_kv(case, model), predicted_compute(case, model)
        off, error = kv - sum(logged.kv), 100 * (compute / logged.compute - 1)
        worst_kv, worst_compute = max(worst_kv, abs(off)), max(worst_compute, abs(error))
        row = f"{case.model[:8]:8} {case.context:7} {case.slots:5} {case.ubatch:6} {case.kv:5} {case.flash:8}"
        print(
            f"{row}{kv:9.2f}{sum(logged.kv):9.2f}{100 * off / sum(logged.kv):8.2f}"
            f"{compute:9.2f}{logged.compute:9.2f}{error:8.2f}",
            flush=True,
        )
    print(f"{len(cases)} starts; worst KV {worst_kv:.3f} MiB, worst compute buffer {worst_compute:.2f} %")
    return int(worst_kv > 0.01 or worst_compute > 5)


if __name__ == "__main__":
    sys.exit(main())
