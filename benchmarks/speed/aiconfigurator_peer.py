"""What aiconfigurator-core 0.12 predicts for a setting, or why it refuses: a peer for the same rows in the same run.

    python benchmarks/speed/aiconfigurator_peer.py MODEL --card CARD --runtime RUNTIME [--tp N] [--weights FORMAT]
        [--kv FORMAT] [--concurrency C] [--prompt T] [--output T]

MODEL is a name whose configuration the package carries, a folder with a config.json, or such a file under any name that
ends in .json; nothing is downloaded. The package (NVIDIA, Apache-2.0) is optional: `available()` says in a line what is
missing. A model is compiled once for each card, runtime, parallelism and formats.
"""

import argparse
import importlib
import logging
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from kernel_tables import PACKAGE, RUNTIMES, SYSTEMS, VERSION, folder_of

CARDS = {system.card: name for name, system in SYSTEMS.items()}
BACKENDS = {runtime: name for name, runtime in RUNTIMES.items()}
# The catalogue's weight formats as (matrices, experts) of the package; "" leaves both to the model's configuration.
MODES = {
    "": (None, None),
    "bf16": ("bfloat16", "bfloat16"),
    "fp8": ("fp8", "fp8"),
    "fp8_channel": ("fp8", "fp8"),
    "fp8_block128": ("fp8_block", "fp8_block"),
    "nvfp4": ("nvfp4", "nvfp4"),
    "int8_w8a16": ("int8_wo", None),
    "int8_w8a8": ("sq", None),
    "int4_w4a16": ("int4_wo", "int4_wo"),
    "gptq_int4": ("int4_wo", "int4_wo"),
    "awq_int4": ("int4_wo", "int4_wo"),
    "mxfp4_w4a16": ("bfloat16", "w4a16_mxfp4"),
    "mxfp4": ("bfloat16", "w4a8_mxfp4_mxfp8"),
}
KV_MODES = {"": None, "bf16": "bfloat16", "fp16": "bfloat16", "fp8": "fp8"}
MILLISECOND = 1e-3


class Setting(NamedTuple):
    """What is compiled: model, the catalogue's card and runtime, cards under tensor parallelism, formats."""

    model: str
    card: str
    runtime: str
    tp: int = 1
    weights: str = ""
    kv: str = ""


class Predicted(NamedTuple):
    """Seconds, or why there are none.

    Attributes:
        tpot: of an output token, a batch of the given size decoding and nothing else.
        tpot_loaded: the same with the prompts that come in meanwhile: concurrency / output of a prefill for each step.
        ttft: of one prompt on an idle card.
        refusal: why the package does not answer, or "".
    """

    tpot: float | None
    tpot_loaded: float | None
    ttft: float | None
    refusal: str


def _refused(reason: str) -> Predicted:
    return Predicted(None, None, None, reason)


def available() -> str:
    """Why the package cannot be asked, in a line; "" when it can."""
    try:
        folder_of(None)
        importlib.import_module(f"{PACKAGE}.sdk.engine")
    except SystemExit as absent:
        return str(absent)
    except ImportError as broken:
        return f"aiconfigurator-core {VERSION} cannot be imported: {broken}"
    return ""


def _configured(model: str) -> bool:
    """Whether the model's configuration is at hand; the package would else ask the network."""
    if (Path(model) / "config.json").is_file() or (model.endswith(".json") and Path(model).is_file()):
        return True
    carried = folder_of(None).parents[1] / "model_configs"
    return (carried / f"{model.replace('/', '--')}_config.json").is_file()


def _unasked(setting: Setting) -> str:
    """Why a setting is not even asked, or ""."""
    if setting.card not in CARDS or setting.runtime not in BACKENDS:
        return f"no tables for {setting.card} with {setting.runtime}"
    if setting.weights not in MODES or setting.kv not in KV_MODES:
        return f"no mode for {setting.weights or 'the weights'} with a cache of {setting.kv or 'its default'}"
    return "" if _configured(setting.model) else f"no configuration of {setting.model}"


@cache
def _compiled(setting: Setting) -> Any:
    """The package's engine of a setting, or its refusal as text."""
    reason = available() or _unasked(setting)
    if reason:
        return reason
    logging.getLogger(PACKAGE).setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        if not setting.model.endswith(".json"):
            return _engine(setting, setting.model)
        shutil.copy(setting.model, Path(folder) / "config.json")
        return _engine(setting, folder)


def _engine(setting: Setting, model: str) -> Any:
    matrices, experts = MODES[setting.weights]
    try:
        return importlib.import_module(f"{PACKAGE}.sdk.engine").EngineHandle.compile(
            model,
            CARDS[setting.card],
            BACKENDS[setting.runtime],
            tp_size=setting.tp,
            moe_tp_size=setting.tp,
            moe_ep_size=1,
            gemm_quant_mode=matrices,
            moe_quant_mode=experts,
            kvcache_quant_mode=KV_MODES[setting.kv],
        )
    except Exception as refusal:  # noqa: BLE001 -- the package's refusals have no common root; all are shown
        return f"{type(refusal).__name__}: {refusal}"


def predict(setting: Setting, concurrency: int, prompt: int, output: int) -> Predicted:
    """What the package predicts for requests of `prompt` and `output` tokens, `concurrency` of them under way.

    Whether the cache of so many requests fits the card the package does not say here.
    """
    engine = _compiled(setting)
    if isinstance(engine, str):
        return _refused(engine)
    steps = max(output - 1, 1)
    try:
        decode = engine.predict_decode_latency(concurrency, prompt, steps + 1) * MILLISECOND / steps
        prefill = engine.predict_prefill_latency(1, prompt) * MILLISECOND
    except Exception as refusal:  # noqa: BLE001 -- same
        return _refused(f"{type(refusal).__name__}: {refusal}")
    if decode <= 0 or prefill <= 0:
        return _refused("the package answers with no time")
    return Predicted(decode, decode + prefill * (concurrency - 1) / max(output, 1), prefill, "")


def main() -> int:
    """Predict one setting; exit 3 where the package is absent or refuses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--card", required=True)
    parser.add_argument("--runtime", required=True)
    parser.add_argument("--weights", default="")
    parser.add_argument("--kv", default="")
    for name, default in (("tp", 1), ("concurrency", 1), ("prompt", 1024), ("output", 1024)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    setting = Setting(asked.model, asked.card, asked.runtime, asked.tp, asked.weights, asked.kv)
    found = predict(setting, asked.concurrency, asked.prompt, asked.output)
    if found.refusal:
        print(f"refused: {found.refusal}", file=sys.stderr)
        return 3
    print("\n".join(f"{name} {value:.6f} s" for name, value in zip(Predicted._fields[:3], found[:3], strict=True)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
