"""What an architecture that is not in the catalogue is taken to be like: decided by its keys, never by its name.

A configuration follows a pattern when it has the pattern's keys and no key that is neither read nor known to change
nothing: one key that is not understood (a state, a window, a shared cache) refuses it by name. What a pattern leaves
open is counted at its largest: biases and norms of queries and keys unless the keys say no, an untied head, four
norms a layer. Every figure of such a model rests on the assumption.
"""

import re
from dataclasses import replace
from importlib import import_module
from typing import Any, NamedTuple

from assay.errors import UnsupportedArchitecture
from assay.observe.checkpoint import quantization
from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.layouts.blocks import Architecture
from assay.observe.checkpoint.matching import Matcher, UnknownPatternError, bare
from assay.observe.checkpoint.schemes import Scheme, not_understood
from assay.observe.checkpoint.tensors import Layout, Tensor
from assay.types.message import message
from assay.types.model import Model

LAYOUTS = "assay.observe.checkpoint.layouts"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
MOST_KEYS = 8
KEY_CHARACTERS = 48

HARMLESS = frozenset((
    "_attn_implementation", "_name_or_path", "attention_dropout", "attention_multiplier", "attn_logit_softcapping",
    "attn_pdrop", "auto_map", "bos_token_id", "dtype", "embd_pdrop", "embedding_dropout", "embedding_multiplier",
    "eos_token_id", "final_logit_softcapping", "hidden_act", "hidden_activation", "hidden_dropout",
    "initializer_range", "layer_norm_eps", "layer_norm_epsilon", "logit_scale", "logits_scaling", "model_type",
    "max_window_layers", "norm_eps", "output_attentions", "output_hidden_states", "pad_token_id",
    "partial_rotary_factor", "pretraining_tp", "query_pre_attn_scalar", "resid_pdrop", "residual_multiplier",
    "rms_norm_eps", "rope_interleave", "rope_parameters", "rope_scaling", "rope_theta", "rotary_dim", "swiglu_limit",
    "tokenizer_class", "torch_dtype", "transformers_version", "unk_token_id", "use_cache", "quantization_config",
))  # fmt: skip
"""Keys that change neither tensors nor caches, whatever they say; `quantization_config` is read by its own reader."""
ROUTING = frozenset((
    "aux_loss_alpha", "ep_size", "n_group", "norm_topk_prob", "output_router_logits", "routed_scaling_factor",
    "router_aux_loss_coef", "router_jitter_noise", "scoring_func", "seq_aux", "topk_group", "topk_method",
))  # fmt: skip
"""The same of a mixture of experts."""
SWITCHES = frozenset((
    "attention_bias", "attention_out_bias", "mlp_bias", "qk_norm", "qkv_bias", "tie_word_embeddings", "use_qk_norm",
))  # fmt: skip
"""Keys that are read and are true, false or not said."""
SIZES = frozenset((
    "hidden_size", "max_position_embeddings", "num_attention_heads", "num_hidden_layers", "vocab_size",
))  # fmt: skip
GROUPED = frozenset(("head_dim", "intermediate_size", "num_key_value_heads"))
NUMBER = ("num_experts", "num_local_experts", "n_routed_experts")
CHOSEN = ("num_experts_per_tok", "num_experts_per_token", "experts_per_token")
SHARED = ("n_shared_experts", "num_shared_experts", "shared_expert_intermediate_size")
MIXTURE = frozenset((*NUMBER, *CHOSEN, *SHARED, "intermediate_size", "moe_intermediate_size", "first_k_dense_replace"))
LATENT = frozenset(("kv_lora_rank", "q_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"))
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "add_cross_attention": (False,),
    "attention_chunk_size": (),
    "decoder_sparse_step": (1,),
    "is_encoder_decoder": (False,),
    "mlp_only_layers": ([],),
    "moe_layer_freq": (1,),
    "num_nextn_predict_layers": (0,),
    "sliding_window": (),
    "use_sliding_window": (False,),
    **dict.fromkeys((*NUMBER, *SHARED, "first_k_dense_replace"), (0,)),
}
"""Keys that are understood where they are null or have one of these values: they switch off what they name."""
ROTARY = ("rope_theta", "rope_scaling", "rope_parameters", "partial_rotary_factor", "rotary_dim", "qk_rope_head_dim")
GENERATES = ("ForCausalLM", "LMHeadModel")


class Pattern(NamedTuple):
    """A pattern that a configuration has the keys of.

    Attributes:
        like: the architecture of the catalogue that stands for it.
        body: how to lay it out.
        read: the keys that its layout reads.
    """

    like: str
    body: Architecture
    read: frozenset[str]


def _given(config: Fields, keys: tuple[str, ...]) -> list[str]:
    """The keys of these that are there and not zero."""
    return [key for key in keys if config.has(key) and config.raw(key) != 0]


def _experts(config: Fields) -> Architecture | None:
    """The keys of a mixture's body; None where it is no mixture, {} where its keys are not all there."""
    number, chosen, shared = (_given(config, keys) for keys in (NUMBER, CHOSEN, SHARED))
    if not number:
        return None
    width = "moe_intermediate_size" if config.has("moe_intermediate_size") else "intermediate_size"
    dense = _given(config, ("first_k_dense_replace",))
    if not chosen or not config.has(width) or (dense and not config.has("intermediate_size")):
        return {}
    keys: Architecture = {
        "experts_key": number[0],
        "chosen_key": chosen[0],
        "expert_width_key": width,
        "first_dense_key": "first_k_dense_replace",
        "router_correction": True,
        "correction_dtype": "fp32",
        "shared_gate": True,
    }
    if shared:
        keys["shared_width_key" if shared[0] == SHARED[-1] else "shared_experts_key"] = shared[0]
    return keys


def _has_latent(config: Fields) -> bool:
    return all(config.has(key) for key in LATENT - {"q_lora_rank"})


def _has_heads(config: Fields) -> bool:
    """Whether the size of a head is said, or follows from hidden size and heads."""
    heads, hidden = config.raw("num_attention_heads"), config.raw("hidden_size")
    if config.has("head_dim") or not isinstance(heads, int) or not isinstance(hidden, int):
        return True
    return not heads or hidden % heads == 0  # a number that cannot be right is named by the layout


def _pattern(config: Fields) -> Pattern | None:
    """The pattern that a configuration has the keys of, or None."""
    experts = _experts(config)
    latent = config.has("kv_lora_rank")
    if experts == {} or not all(config.has(key) for key in SIZES - {"max_position_embeddings"}):
        return None
    if experts is None and not config.has("intermediate_size"):
        return None
    if not (_has_latent(config) if latent else _has_heads(config)):
        return None
    said = [config.raw(key) for key in ("use_qk_norm", "qk_norm") if config.has(key)]
    body = {**(experts or {}), "qk_norm": "none" if said and not any(said) else "full"}
    read = SIZES | (MIXTURE | ROUTING if experts else {"intermediate_size"})
    if latent:
        body |= {"layout": "latent", "prediction_copies": True}
        return Pattern("deepseek_v3", body, read | LATENT | {"num_nextn_predict_layers"})
    like = "llama"
    if experts:
        like = "qwen3_moe" if experts["expert_width_key"] == "moe_intermediate_size" else "mixtral"
    return Pattern(like, {**body, "layout": "decoder"}, read | GROUPED)


def _neutral(config: Fields, key: str, value: Any) -> bool:
    """Whether a key that no pattern reads switches off what it names."""
    if key == "layer_types":
        return isinstance(value, list) and all(kind == "full_attention" for kind in value)
    if key == "architectures":
        return isinstance(value, list) and all(isinstance(name, str) and name.endswith(GENERATES) for name in value)
    if key == "sliding_window" and config.raw("use_sliding_window") is False:
        return True
    if key not in NEUTRAL:
        return False
    return value is None or any(type(value) is type(known) and value == known for known in NEUTRAL[key])


def _latent_sizes(config: Fields, key: str, value: Any) -> bool:
    """Whether a key of ordinary heads repeats what latent attention says already; its cache has no heads."""
    rope, nope = config.raw("qk_rope_head_dim"), config.raw("qk_nope_head_dim")
    if key == "num_key_value_heads":
        return value in (None, 1, config.raw("num_attention_heads"))
    if not isinstance(rope, int) or not isinstance(nope, int):
        return False
    return value == rope + nope if key == "qk_head_dim" else key == "head_dim" and value in (rope, rope + nope)


def _disagreeing(config: Fields) -> list[str]:
    """Two spellings of one thing that say different things, and two ways to say shared experts."""
    found = []
    for keys in (NUMBER, CHOSEN):
        given = _given(config, keys)
        if any(config.raw(key) != config.raw(given[0]) for key in given[1:]):
            found += given
    shared = _given(config, SHARED)
    return [*found, *(shared if len(shared) > 1 else [])]


def _dense_outweighs(config: Fields, experts: Architecture) -> bool:
    """Whether a dense layer would be larger than one of experts, while nothing says how many there are."""
    if "experts_key" not in experts or config.has("first_k_dense_replace") or config.has("mlp_only_layers"):
        return False
    number, width, dense = (
        config.raw(key) for key in (experts["experts_key"], experts["expert_width_key"], "intermediate_size")
    )
    return all(isinstance(size, int) for size in (number, width, dense)) and number * width < dense


def _odd(config: Fields, pattern: Pattern) -> list[str]:
    """The keys that are not understood under a pattern."""
    odd = _disagreeing(config)
    for key in config.names():
        value = config.raw(key)
        if key in SWITCHES:
            understood = value is None or isinstance(value, bool)
        elif key in HARMLESS or key in pattern.read:
            understood = True
        else:
            understood = _neutral(config, key, value)
            if not understood and "kv_lora_rank" in pattern.read:
                understood = _latent_sizes(config, key, value)
        if not understood:
            odd.append(key)
    if _dense_outweighs(config, pattern.body):
        odd.append("intermediate_size")
    return list(dict.fromkeys(odd))


def refused(config: Fields, name: str, like: str, odd: list[str]) -> UnsupportedArchitecture:
    """The refusal that lists what was not understood."""
    keys = ", ".join(key[:KEY_CHARACTERS] for key in odd[:MOST_KEYS])
    more = len(odd) - MOST_KEYS
    return config.refused(
        odd[0],
        "error.architecture_keys",
        architecture=name,
        like=like,
        keys=f"{keys} (+{more})" if more > 0 else keys,
    )


def _bias_said(config: Fields, tensor: Tensor) -> bool:
    """Whether a matrix has a bias, or may have one as far as the keys say."""
    if tensor.role == "attention":
        own = "attention_out_bias" if tensor.module.endswith("o_proj") else "qkv_bias"
        return config.flag(own, default=config.flag("attention_bias", default=True))
    if tensor.role in {"mlp", "experts", "shared_experts", "router"}:
        return config.flag("mlp_bias", default=True)
    return tensor.role == "head"


def _left_open(config: Fields, layout: Layout, body: Architecture) -> list[Tensor]:
    """The tensors that a model of this pattern may have beside those of its layout: small, and counted."""
    present = {tensor.module for tensor in layout.tensors if len(tensor.shape) == 1}
    found = [
        Tensor(tensor.role, tensor.module, tensor.shape[:1], tensor.copies, tensor.chosen)
        for tensor in layout.tensors
        if len(tensor.shape) == 2 and tensor.module not in present and _bias_said(config, tensor)
    ]
    hidden = (layout.hidden_size,)
    rope = config.count("qk_rope_head_dim", 0, low=0)
    for index in range(len(layout.layers)):
        further = ("pre_feedforward_layernorm", "post_feedforward_layernorm")
        found += [Tensor("norm", f"layers.{index}.{name}", hidden) for name in further]
        if body["layout"] == "latent" and body["qk_norm"] == "full":
            queries = config.count("num_attention_heads") * (config.count("qk_nope_head_dim") + rope)
            found += [Tensor("norm", f"layers.{index}.self_attn.{name}", (queries,)) for name in ("q_norm", "k_norm")]
    if not config.has("rms_norm_eps"):  # then it is said to be no RMSNorm, or nothing is said: LayerNorm has a bias
        every = [*layout.tensors, *found]
        found += [tensor._replace(module=f"{tensor.module}.bias") for tensor in every if tensor.role == "norm"]
    if layout.max_context and not any(config.has(key) for key in ROTARY):
        found.append(Tensor("embedding", "embed_positions", (layout.max_context, *hidden), rows_used=1))
    return found


def follow(config: Fields, name: str) -> tuple[Architecture, Layout] | None:
    """Body and layout of an architecture that is not in the catalogue, or None when its keys follow no pattern.

    The body's `like` is the architecture of the catalogue that it is taken to be like.

    Raises:
        UnsupportedArchitecture: it follows one but for keys that are not understood.
        MalformedFile: a key of the pattern is wrong.
    """
    pattern = _pattern(config) if NAME.match(name) else None
    if pattern is None:
        return None
    odd = _odd(config, pattern)
    if odd:
        raise refused(config, name, pattern.like, odd)
    body = {**pattern.body, "id": name, "like": pattern.like}
    layout: Layout = import_module(f"{LAYOUTS}.{body['layout']}").layout(config, body)
    layout.tensors.extend(_left_open(config, layout, body))
    return body, layout


def applied(model: Model, body: Architecture) -> Model:
    """The model with the assumption that a body carries, if it does: in its weights' basis, and in its first note."""
    like = body.get("like")
    if like is None:
        return model
    told = message("note.like", "warning", architecture=model.architecture, like=like)
    weights = model.weights
    if weights.value is not None:
        weights = replace(weights, weakest="assumed", weakest_share=1.0)
    return replace(model, like=like, weights=weights, notes=(told, *model.notes))


LISTS = frozenset((
    "exclude", "exclude_modules", "ignore", "ignored_layers", "llm_int8_skip_modules", "modules_to_not_convert",
    "skip_modules", "targets",
))  # fmt: skip
EVERY_MATRIX = "Linear"
MOST_PATTERNS = 500
MOST_COMPARISONS = 200_000
"""Of patterns with modules: published lists need a hundredth of it, and each one costs a microsecond or two."""
EXPERT = re.compile(r"(\.experts\.)[0-9]+(?=\.|\Z)")


def _listed(quantized: dict[str, Any]) -> list[str]:
    """Every module or pattern that a quantization's own lists name."""
    found: list[str] = []
    pending = [quantized]
    while pending:
        for key, inner in pending.pop().items():
            if key in LISTS and isinstance(inner, list):
                found += [item for item in inner if isinstance(item, str) and item != EVERY_MATRIX]
            elif key in ("quantized_layers", "layer_quant_config") and isinstance(inner, dict):
                found += inner
            elif isinstance(inner, dict):
                pending.append(inner)
    return found


def _names_nothing(items: list[str], modules: list[str]) -> str | None:
    """The first item that names none of the modules, or that costs too much to compare with them; else None."""
    split = [module.split(".") for module in modules]
    known = {part for names in split for part in names}
    known |= {".".join(names[:end]) for names in split for end in range(1, len(names) + 1)}
    most = min(MOST_PATTERNS, MOST_COMPARISONS // len(modules))
    patterns = 0
    for item in items:
        name = bare(item.removesuffix(".weight"))
        if not item.startswith("re:") and not any(sign in name for sign in "*?["):
            if EXPERT.sub(r"\1*", name) not in known:
                return item
            continue
        patterns += 1
        try:
            matcher = Matcher([item])
        except UnknownPatternError:
            return item
        if patterns > most or not any(matcher.matches(module) for module in modules):
            return item
    return None


def scheme(config: Fields, separate: Fields | None, layout: Layout) -> Scheme:
    """The scheme of a model that is like another; of unknown format when it names modules that the other lacks.

    A list that spares a module under a name of its own would otherwise spare nothing, which is too few bytes.

    Raises:
        MalformedFile: see `quantization.scheme`.
    """
    modules = dict.fromkeys(["lm_head", "embed_tokens", *(tensor.module for tensor in layout.tensors)])
    for fields, key in ((config, "quantization_config"), (separate, "quantization")):
        quantized = None if fields is None else fields.nested(key)
        if fields is None or quantized is None:
            continue
        strange = _names_nothing(_listed(fields.raw(key)), list(modules))
        if strange is not None:
            method = quantized.word("quant_method") or quantized.word("quant_algo") or "?"
            return not_understood(method[:KEY_CHARACTERS], strange[:KEY_CHARACTERS])
    return quantization.scheme(config, separate)
