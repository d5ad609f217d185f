"""A small Qwen3: its configuration, and the shapes of a layer's matrices."""

from typing import Any

HIDDEN, LAYERS, WIDTH, WORDS = 256, 2, 512, 100
CONFIG: dict[str, Any] = {
    "model_type": "qwen3", "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 128, "intermediate_size": WIDTH, "vocab_size": WORDS,
    "max_position_embeddings": 4096, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
}  # fmt: skip
MATRICES = {
    "self_attn.q_proj": (256, 256), "self_attn.k_proj": (128, 256), "self_attn.v_proj": (128, 256),
    "self_attn.o_proj": (256, 256), "mlp.gate_proj": (512, 256), "mlp.up_proj": (512, 256), "mlp.down_proj": (256, 512),
}  # fmt: skip
