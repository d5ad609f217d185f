"""The role of a tensor from its name, in the two conventions that files use."""

from assay.types.model import Role

_GGUF_WORDS: tuple[tuple[str, Role], ...] = (
    ("ffn_gate_inp_shexp", "shared_experts"),
    ("ffn_gate_inp", "router"),
    ("exp_probs_b", "router"),
    ("_exps", "experts"),
    ("_shexp", "shared_experts"),
    ("nextn.", "mtp"),
    ("ssm_", "state"),
    ("_norm", "norm"),
    ("attn_", "attention"),
    ("indexer", "attention"),
    ("ffn_", "mlp"),
)


def gguf_role(name: str) -> Role:
    """The role of a GGUF tensor by llama.cpp's names."""
    if name.startswith(("token_embd.", "per_layer_token_embd")):
        return "embedding"
    if name.startswith("output."):
        return "head"
    if name.startswith(("output_norm", "token_embd_norm")):
        return "norm"
    if name.startswith(("v.", "mm.", "a.")):
        return "vision"
    for word, role in _GGUF_WORDS:
        if word in name:
            return role
    return "other"


def gguf_layer(name: str) -> int | None:
    """The number of the block that a GGUF tensor belongs to, or None."""
    if not name.startswith("blk."):
        return None
    number = name.split(".", 2)[1]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 7 else None


_VISION = ("visual.", "vision_", "multi_modal_projector.", "mm_projector.", "embed_vision.", "patch_merge_mlp.")
_ATTENTION = ("self_attn.", "attention.", "attn.", ".indexer")
_STATE = ("linear_attn.", ".mamba.", ".in_proj", ".out_proj", ".conv1d", ".A_log", ".dt_bias", "mixer.D")


def role(module: str) -> Role:  # noqa: C901, PLR0911 - one line a rule, the first that fits wins
    """The role of a module in the names of published repositories, without the model's own prefixes."""
    last = module.rpartition(".")[2]
    if module.startswith(_VISION):
        return "vision"
    if module.startswith("mtp") or ".mtp" in module:
        return "mtp"
    if last in ("embed_tokens", "embeddings", "tok_embeddings", "wte"):
        return "embedding"
    if last in ("lm_head", "output", "embed_out") and "." not in module:
        return "head"
    if "norm" in last or module.endswith("_norm.bias"):
        return "norm"
    if last in ("gate", "router", "e_score_correction_bias") or ".router." in module or ".gate." in module:
        return "router"
    if "shared_expert" in module:
        return "shared_experts"
    if ".experts." in module or last == "experts":
        return "experts"
    if any(word in module for word in _STATE) and "self_attn" not in module:
        return "state"
    if any(word in f"{module}." for word in _ATTENTION) or last in ("q_proj", "k_proj", "v_proj", "o_proj"):
        return "attention"
    if any(word in module for word in (".mlp.", ".feed_forward.", "ffn")) or last in ("up_proj", "down_proj"):
        return "mlp"
    return "other"
