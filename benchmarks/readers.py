"""What reading costs, beside the formats' own packages in the same run: processor time, minima over rounds, and memory.

    python benchmarks/readers.py [--rounds 5]

Each figure is one fresh process: its user and system seconds less those of the same program doing nothing (`assay
--version`; for a peer, importing it), and the peak of its resident memory with the interpreter. The files are made
here: a GGUF header with 152,000 tokens, 151,000 merges and 327 tensors, and a folder of an index, a configuration and
1,000 shards with 100,000 tensors, each shard with its header. The weights of both are holes in sparse files.
Exit 1 when a budget is missed.
"""

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

ASSAY = [sys.executable, "-c", "import sys; from assay.cli.main import main; sys.exit(main())"]
TABLES = [*ASSAY, "tables", "--gpu", "rtx-pro-6000-blackwell-workstation-edition"]
GGUF_PEER = "import sys, gguf\nif sys.argv[1:]: gguf.GGUFReader(sys.argv[1])"
SAFE_OPEN = """
import json, sys
from pathlib import Path
from safetensors import safe_open
if sys.argv[1:]:
    folder = Path(sys.argv[1])
    for name in sorted(set(json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"].values())):
        with safe_open(folder / name, "np") as opened:
            for key in opened.keys():
                part = opened.get_slice(key)
                part.get_dtype(), part.get_shape()
"""
TOKENS, MERGES, BLOCKS = 152_000, 151_000, 36
SHARDS, TENSORS, LAYERS, EXPERTS = 1_000, 100_000, 130, 256
HIDDEN, EXPERT, WORDS = 512, 256, 152_000
U32, I32, STRING, ARRAY = 4, 5, 8, 9


class Cost(NamedTuple):
    """Processor seconds and peak bytes of one process."""

    seconds: float
    peak: int


class Row(NamedTuple):
    """A figure with its peer and its budgets, in milliseconds and megabytes; a ratio is figure over peer."""

    name: str
    milliseconds: float
    peer: float | None
    limit: float | None
    ratio_limit: float | None = None
    megabytes: float | None = None
    memory_limit: float | None = None

    @property
    def missed(self) -> bool:
        """Whether the figure is over one of its budgets."""
        return (
            (self.limit is not None and self.milliseconds > self.limit)
            or (self.ratio_limit is not None and self.peer is not None
                and self.milliseconds > self.peer * self.ratio_limit)
            or (self.memory_limit is not None and self.megabytes is not None and self.megabytes > self.memory_limit)
        )  # fmt: skip


def measured(command: list[str], rounds: int) -> Cost:
    """The cheapest of several runs of a command; this process stays small, since a child's peak begins at its own."""
    environment = {**os.environ, "XDG_CONFIG_HOME": str(Path(__file__).parent / "no-profile")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled modules are what an installed program has
    costs = []
    for _ in range(rounds):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{' '.join(command[-3:])}: exit {child.returncode}")
        unit = 1 if sys.platform == "darwin" else 1024
        costs.append(Cost(used.ru_utime + used.ru_stime, used.ru_maxrss * unit))
    return Cost(min(cost.seconds for cost in costs), min(cost.peak for cost in costs))


def _text(value: str) -> bytes:
    content = value.encode()
    return struct.pack("<Q", len(content)) + content


def _pairs(out: BinaryIO) -> int:
    """Write a model's metadata with a vocabulary; the number of pairs."""
    prefix = "qwen3"
    numbers = {
        "block_count": BLOCKS, "context_length": 40_960, "embedding_length": 4096, "feed_forward_length": 12_288,
        "attention.head_count": 32, "attention.head_count_kv": 8, "attention.key_length": 128,
        "attention.value_length": 128,
    }  # fmt: skip
    out.write(_text("general.architecture") + struct.pack("<I", STRING) + _text(prefix))
    out.writelines(_text(f"{prefix}.{key}") + struct.pack("<II", U32, value) for key, value in numbers.items())
    for key, count, word in (("tokens", TOKENS, "Ġtoken{}"), ("merges", MERGES, "Ġto ken{}")):
        out.write(_text(f"tokenizer.ggml.{key}") + struct.pack("<IIQ", ARRAY, STRING, count))
        out.writelines(_text(word.format(number)[: 3 + number % 10]) for number in range(count))
    out.write(_text("tokenizer.ggml.token_type") + struct.pack("<IIQ", ARRAY, I32, TOKENS) + bytes(4 * TOKENS))
    return len(numbers) + 4


def _gguf_tensors() -> Iterator[tuple[str, tuple[int, ...], int, int]]:
    """(name, shape, type, bytes) of Q4_K matrices and FP32 norms."""
    matrices = {
        "attn_q": (4096, 4096), "attn_k": (4096, 1024), "attn_v": (4096, 1024), "attn_output": (4096, 4096),
        "ffn_up": (4096, 12_288), "ffn_gate": (4096, 12_288), "ffn_down": (12_288, 4096),
    }  # fmt: skip
    yield "token_embd.weight", (4096, TOKENS), 12, 4096 * TOKENS // 256 * 144
    yield "output.weight", (4096, TOKENS), 12, 4096 * TOKENS // 256 * 144
    yield "output_norm.weight", (4096,), 0, 4 * 4096
    for block in range(BLOCKS):
        for name, (inputs, outputs) in matrices.items():
            yield f"blk.{block}.{name}.weight", (inputs, outputs), 12, inputs * outputs // 256 * 144
        for name in ("attn_norm", "ffn_norm"):
            yield f"blk.{block}.{name}.weight", (4096,), 0, 4 * 4096


def write_gguf(path: Path) -> None:
    """A GGUF file of the size of an 8B model, without its weights."""
    tensors = list(_gguf_tensors())
    with path.open("wb") as out:
        out.write(bytes(24))
        pairs = _pairs(out)
        offset = 0
        for name, shape, kind, size in tensors:
            out.write(_text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset))
            offset += -(-size // 32) * 32
        end = -(-out.tell() // 32) * 32 + offset
        out.seek(0)
        out.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), pairs))
        out.truncate(end)


def _names() -> Iterator[tuple[str, tuple[int, int]]]:
    """The tensors of a mixture of experts, as published repositories name them, and some to make the number round."""
    yield "model.embed_tokens.weight", (WORDS, HIDDEN)
    for layer in range(LAYERS):
        for expert in range(EXPERTS):
            for name in ("gate_proj", "up_proj", "down_proj"):
                yield f"model.layers.{layer}.mlp.experts.{expert}.{name}.weight", (EXPERT, HIDDEN)
    for number in range(TENSORS - 1 - LAYERS * EXPERTS * 3):
        yield f"model.layers.{number % LAYERS}.extra.{number}.weight", (16, 16)


def write_folder(folder: Path) -> None:
    """An index, a configuration and all shards with their headers; weights are holes."""
    config = {
        "model_type": "qwen3_moe", "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": 8,
        "num_key_value_heads": 4, "head_dim": 128, "intermediate_size": 2048, "moe_intermediate_size": EXPERT,
        "num_experts": EXPERTS, "num_experts_per_tok": 8, "vocab_size": WORDS, "torch_dtype": "bfloat16",
        "max_position_embeddings": 40_960, "tie_word_embeddings": True, "norm_topk_prob": True,
        "decoder_sparse_step": 1, "mlp_only_layers": [],
    }  # fmt: skip
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    names = list(_names())
    each = TENSORS // SHARDS
    mapping = {}
    for shard in range(SHARDS):
        title = f"model-{shard + 1:05d}-of-{SHARDS:05d}.safetensors"
        header: dict[str, object] = {"__metadata__": {"format": "pt"}}
        end = 0
        for name, shape in names[shard * each : (shard + 1) * each]:
            size = 2 * shape[0] * shape[1]
            header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size]}
            mapping[name] = title
            end += size
        content = json.dumps(header).encode()
        with (folder / title).open("wb") as out:
            out.write(len(content).to_bytes(8, "little") + content)
            out.truncate(8 + len(content) + end)
    index = {"metadata": {"total_size": 0}, "weight_map": mapping}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), "utf-8")


def _made(folder: Path) -> None:
    """Make the files in a process of their own: this one must stay small."""
    program = "import sys; sys.path.insert(0, sys.argv[1]); import readers; from pathlib import Path\n"
    program += "readers.write_gguf(Path(sys.argv[2]) / 'model.gguf'); readers.write_folder(Path(sys.argv[2]) / 'index')"
    subprocess.run([sys.executable, "-c", program, str(Path(__file__).parent), str(folder)], check=True)


def rows(folder: Path, rounds: int) -> list[Row]:
    """Every figure beside its peer."""
    start = measured([*ASSAY, "--version"], rounds).seconds
    read = measured([*ASSAY, "model", str(folder / "model.gguf"), "--json"], rounds)
    index = measured([*ASSAY, "model", str(folder / "index"), "--json"], rounds)
    tables = measured(TABLES, rounds)
    few = min(rounds, 2)  # the first peer takes seconds
    peers = []
    for program, path in ((GGUF_PEER, "model.gguf"), (SAFE_OPEN, "index")):
        idle = measured([sys.executable, "-c", program], few).seconds
        used = measured([sys.executable, "-c", program, str(folder / path)], few)
        peers.append((max(used.seconds - idle, 0.0) * 1000, used.peak / 1e6))
    (gguf, gguf_peak), (opened, opened_peak) = peers
    print(f"assay --version: {start * 1000:.0f} ms, taken off the two figures of files")
    print(f"peak of gguf.GGUFReader {gguf_peak:.0f} MB, of safe_open {opened_peak:.0f} MB")
    return [
        Row("GGUF header, 303,000 words", (read.seconds - start) * 1000, gguf, 100, 1 / 50, read.peak / 1e6, 40),
        Row("index, 1,000 shards, 100,000 tensors", (index.seconds - start) * 1000, opened, 1000, None,
            index.peak / 1e6),
        Row("assay tables, whole catalogue", tables.seconds * 1000, None, 300, None, tables.peak / 1e6),
    ]  # fmt: skip


def main() -> int:
    """Print the table; exit 1 when a budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as name:
        _made(Path(name))
        found = rows(Path(name), rounds)
    print(f"{'CPU':38} {'ms':>6} {'budget':>7} {'peer ms':>8} {'ratio':>8} {'budget':>7} {'peak MB':>8} {'budget':>7}")
    for row in found:
        ratio = f"1/{row.peer / row.milliseconds:.1f}" if row.peer and row.milliseconds > 0 else ""
        wanted = f"1/{1 / row.ratio_limit:.0f}" if row.ratio_limit else ""
        peer = f"{row.peer:.0f}" if row.peer is not None else ""
        memory, most = (f"{value:.0f}" if value is not None else "" for value in (row.megabytes, row.memory_limit))
        limit = f"{row.limit:.0f}" if row.limit is not None else ""
        missed = "  missed" if row.missed else ""
        left = f"{row.name:38} {row.milliseconds:6.0f} {limit:>7} {peer:>8} {ratio:>8} {wanted:>7}"
        print(f"{left} {memory:>8} {most:>7}{missed}")
    return int(any(row.missed for row in found))


if __name__ == "__main__":
    sys.exit(main())
