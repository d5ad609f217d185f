"""What a weight format is known to lose: published comparisons of models like this one, by protocol."""

from assay.types.decide import Loss
from assay.types.model import Model


def losses_of(_model: Model, _weights: str, _kv: str) -> tuple[Loss, ...]:
    """The losses by protocol; nothing where nobody published one near."""
    return ()
