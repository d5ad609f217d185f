"""Every kind of kernel that the tables measure, all-reduce among them."""

from collections.abc import Iterator

import numpy as np
from kernel_attention import decodes, latents, prefills
from kernel_fits import Model, Start, error, fit
from kernel_matrices import experts, matrices
from kernel_solve import NONE, WORST, Array, Columns, Fit, Unfitted, bandwidth_of, rows_of
from kernel_tables import RUNTIMES, SYSTEMS, Place, Tables, chosen

from assay.reason.speed.kernels import collective_seconds
from assay.types.kernels import Collective

ELEMENT = 2.0
"""Bytes of an element of the messages: the tables count elements, 16 bits each."""
LINKED = 5
"""Fewer sizes fit no line."""


def collective_fit(place: Place, runtime: str, cards: int, table: Columns) -> Fit | Unfitted:
    """All-reduce among a number of cards; every other size is kept out."""
    order = np.argsort(table["message_size"])
    size, seconds = table["message_size"][order] * ELEMENT, table["seconds"][order]
    held = np.arange(len(size)) % 2 == 1
    card = SYSTEMS[place.system].card
    if int((~held).sum()) < LINKED:
        return Unfitted(
            card, runtime, place.version, f"all_reduce:{cards}", rows_of(int((~held).sum()), int(held.sum()))
        )

    def taken(rows: Array) -> Model:
        return lambda values: collective_seconds(Collective(*values), size[rows])

    found = fit(taken(~held), seconds[~held], (Start(1e-5), Start(1e11)))
    off = error(taken(held)(found), seconds[held])
    if off.mean > WORST:
        return Unfitted(
            card, runtime, place.version, f"all_reduce:{cards}", f"held-out rows {100 * off.mean:.0f} % off"
        )
    return Fit(
        card, runtime, place.version, f"all_reduce:{cards}", bandwidth_of(card), 0.0, "",
        tuple(float(value) for value in found), {"all": off}, off,
        {"bytes": size[held], "seconds": seconds[held]},
    )  # fmt: skip


def collectives(tables: Tables) -> Iterator[Fit | Unfitted]:
    """All-reduce of each runtime's own kernel (inside a CUDA graph where both were measured), and NCCL's."""
    for name, table_name in (("", "custom_allreduce_perf"), ("nccl", "nccl_perf")):
        for place in tables.places("comm", table_name):
            table = tables.columns(place, "comm", table_name)
            keep = table["op_name"] == "all_reduce"
            if name:
                keep &= table["nccl_dtype"] == "half"
            else:
                keep &= np.char.find(table["kernel_source"], "eager") < 0
            table = chosen(table, keep)
            for cards in np.unique(table["num_gpus"]):
                rows = chosen(table, table["num_gpus"] == cards)
                yield collective_fit(place, name or RUNTIMES[place.runtime], int(cards), rows)


def all_fits(tables: Tables) -> Iterator[Fit | Unfitted]:
    """Every fit that the tables allow, and what they hold too few rows of, or rows that no curve fits."""
    for kind in (matrices, experts, decodes, prefills, latents, collectives):
        yield from (found for found in kind(tables) if isinstance(found, Fit) or found.reason != NONE)
