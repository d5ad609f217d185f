"""What the tokens on a card leave for the backward pass, one layer computed again, and the logits of the loss.

Korthikanti et al. count s b h (34 + 5 a s / h) bytes in a layer of the classic block. Flash attention keeps no scores,
which leaves the tensors themselves: each is counted by its own width, so that grouped heads and experts follow.
"""

from assay.reason.training import widths
from assay.reason.training.bounds import NOTHING, Bounds, Part, Terms, term
from assay.types.model import Model
from assay.types.training import Training

LAYER = ("norm", "linear_input", "attention", "mlp", "dispatch", "other_layer")
FORMULA = "tokens x sum over layers of (norms + inputs + attention + MLP + experts) x bytes each"


def _read(training: Training) -> Bounds:
    """The share of linear layers' inputs that gradients need: adapters of attention leave the MLP's alone."""
    partial = training.method != "full" and training.targets in ("query-value", "attention")
    return Bounds(0.5, 1.0, 1.0) if partial else Bounds(1.0, 1.0, 1.0)


def _layer(layer: widths.Layer, training: Training, inputs: Bounds, terms: Terms) -> Bounds:
    """Bytes that one token leaves in layers of these widths; `inputs` of adapted matrices among them."""
    adapted = NOTHING if training.method == "full" else term(terms, f"adapter_input_{training.precision}") * inputs
    return (
        term(terms, "norm") * layer.norms
        + term(terms, "linear_input") * _read(training) * layer.inputs
        + term(terms, "attention") * layer.attention
        + term(terms, "mlp") * layer.mlp
        + term(terms, "dispatch") * layer.dispatch
        + term(terms, "other_layer") * layer.other
        + adapted
    )


def _names(model: Model, training: Training) -> tuple[str, ...]:
    """The terms that this model's layers have."""
    found = widths.all_layers(model)
    left_out = {*(() if found.dispatch else ("dispatch",)), *(() if found.other else ("other_layer",))}
    adapted = () if training.method == "full" else (f"adapter_input_{training.precision}",)
    return (*(name for name in LAYER if name not in left_out), *adapted)


def kept(model: Model, training: Training, terms: Terms) -> Part:
    """Activations kept from the forward pass: of all layers, or the input of each that checkpointing keeps."""
    if training.checkpointing:
        name = f"checkpoint_{training.precision}"
        elements = float(widths.layer_count(model) * model.hidden_size)
        size = term(terms, name) * elements * training.tokens
        return Part(size, "tokens x layers x hidden size x bytes each", (name,))
    inputs = _adapter_inputs(model, training)
    size = _layer(widths.all_layers(model), training, inputs, terms) * training.tokens
    return Part(size, FORMULA, _names(model, training))


def _adapter_inputs(model: Model, training: Training) -> Bounds:
    return NOTHING if training.method == "full" else widths.adapter_inputs(model, training.targets)


def recomputed(model: Model, training: Training, terms: Terms) -> Part:
    """One layer's activations and gradients while its backward pass runs."""
    inputs = _adapter_inputs(model, training) * (1.0 / widths.layer_count(model))
    one = _layer(widths.widest_layer(model), training, inputs, terms) * training.tokens
    name = "recomputed" if training.checkpointing else "not_recomputed"
    formula = "tokens x widest layer's activations and their gradients"
    return Part(one * term(terms, name), formula, (*_names(model, training), name))


def logits(model: Model, training: Training, terms: Terms) -> Part:
    """Logits, their copies and their gradient."""
    name = f"logits_{training.loss}"
    size = term(terms, name) * float(training.tokens) * model.vocabulary
    return Part(size, "tokens x vocabulary x bytes each", (name,))
