"""What training is asked of a card, and what follows: the setting, the memory of a step part by part, the verdict."""

from typing import Literal, NamedTuple, get_args

from assay.types.message import Message, message
from assay.types.plan import Verdict
from assay.types.quantity import Quantity

Method = Literal["full", "lora", "qlora"]
Optimizer = Literal["adamw", "adamw-8bit", "adafactor"]
Precision = Literal["mixed", "bf16"]
Targets = Literal["query-value", "attention", "all-linear", "experts"]
Loss = Literal["full", "chunked"]
Shard = Literal["fsdp", "none"]
METHODS: tuple[Method, ...] = get_args(Method)
OPTIMIZERS: tuple[Optimizer, ...] = get_args(Optimizer)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
TARGETS: tuple[Targets, ...] = get_args(Targets)
LOSSES: tuple[Loss, ...] = get_args(Loss)
SHARDS: tuple[Shard, ...] = get_args(Shard)


class Training(NamedTuple):
    """How a model is trained.

    Attributes:
        method: `full` trains every weight, `lora` adapters beside 16-bit weights, `qlora` beside 4-bit ones.
        optimizer: AdamW with two moments, the same in 8 bits by blocks, or Adafactor without a first moment.
        precision: `mixed` keeps what is trained in FP32, as most trainers do; `bf16` keeps all in 16 bits.
        rank: of the adapters' matrices.
        targets: the matrices that get an adapter; `experts` are all linear ones and every expert.
        sequence, micro_batch: tokens of a sequence, and sequences on each card at once.
        checkpointing: activations of a layer are computed again in the backward pass.
        loss: `full` holds the logits of all tokens, `chunked` of a few at a time.
        shard: `fsdp` divides weights, gradients and optimizer states over the cards, `none` repeats them.
    """

    method: Method = "lora"
    optimizer: Optimizer = "adamw"
    precision: Precision = "mixed"
    rank: int = 16
    targets: Targets = "all-linear"
    sequence: int = 4096
    micro_batch: int = 1
    checkpointing: bool = True
    loss: Loss = "full"
    shard: Shard = "fsdp"

    @property
    def tokens(self) -> int:
        """Tokens on one card at once."""
        return self.sequence * self.micro_batch


class TrainingPlan(NamedTuple):
    """Bytes on each card at the peak of a step, part by part.

    Weights, adapters, gradients, optimizer, peak, gathered and overhead add up to `total`; `peak` is made of the four
    that stand before it, which do not all meet.

    Attributes:
        weights: of the model, as trained or frozen; adapters: the weights of LoRA matrices.
        gradients, optimizer: of what is trained.
        activations: kept from the forward pass for the backward pass.
        logits: of the loss, with their gradient; layer: one layer computed again; step: the optimizer's step.
        peak: activations beside the larger of logits and layer, or the step where that is more.
        gathered: layers put together from all cards, buckets and buffers of communication.
        overhead: CUDA context and workspaces, the 4-bit weights' buffer, fragmentation.
        total, available, free: as for inference; `free` may be negative.
    """

    weights: Quantity
    adapters: Quantity
    gradients: Quantity
    optimizer: Quantity
    activations: Quantity
    logits: Quantity
    layer: Quantity
    step: Quantity
    peak: Quantity
    gathered: Quantity
    overhead: Quantity
    total: Quantity
    available: Quantity
    free: Quantity


class Way(NamedTuple):
    """Something to change so that it fits, verified: `name` or `name=value` of each change, and the new total."""

    changes: tuple[str, ...]
    training: Training
    cards: int
    total: Quantity

    @property
    def said(self) -> Message:
        """The changes and what they come to."""
        return message("train.way", changes=", ".join(self.changes), most=self.total.highest)


class TrainingTime(NamedTuple):
    """Tokens a second over all cards, and the time for the tokens that were asked for, None where none were."""

    rate: Quantity
    time: Quantity | None


class TrainingFit(NamedTuple):
    """The verdict, the plan, how far it goes, and what would make it fit.

    `longest` is the longest sequence in tokens at this micro-batch, `largest` the largest micro-batch in sequences.
    `trained` is how many parameters are trained.
    """

    verdict: Verdict
    memory: TrainingPlan
    trained: Quantity
    longest: Quantity
    largest: Quantity
    reasons: tuple[Message, ...]
    ways: tuple[Way, ...]
