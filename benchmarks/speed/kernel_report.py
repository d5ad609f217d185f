"""What is committed beside the parameters: errors of the held-out rows, and a sample of them."""

import csv
import io
import zlib
from statistics import median

from kernel_fits import Error
from kernel_solve import Fit, Unfitted
from kernel_tables import VERSION

EXPLAINED = (
    f"Written by `fit_kernels.py` from aiconfigurator-core {VERSION}: absolute relative errors in percent, mean /"
    " median of the middle fit (rows of all fits). *Cold* rows read from memory, not from the L2 cache; the table that"
    " is shipped has the errors of every fit. *Worst* is the largest mean error of a fit, cold."
)
EACH = {"matrix": 6, "experts": 4, "decode": 2, "prefill": 2, "latent_decode": 4, "latent_prefill": 4}
"""Rows of the sample from each fit that is in it; one of the other kinds."""
SHARE = 4
"""A fit in so many is in the sample, by a hash of its name."""
HEADER = (
    "card",
    "runtime",
    "version",
    "key",
    "shape",
    "seconds",
)


def sample_rows(fits: list[Fit]) -> str:
    """Held-out rows of every fit, chosen by a hash; of a kind, every fit gives as many."""
    lines = []
    for fit in fits:
        if zlib.crc32(f"{fit.card} {fit.runtime} {fit.key}".encode()) % SHARE:
            continue
        names = [name for name in fit.rows if name != "seconds"]
        rows = []
        for index, seconds in enumerate(fit.rows["seconds"]):
            shape = " ".join(f"{name}={float(fit.rows[name][index]):g}" for name in names)
            rank = zlib.crc32(f"{fit.card} {fit.runtime} {fit.key} {shape}".encode())
            rows.append((rank, shape, float(seconds)))
        for _, shape, seconds in sorted(rows)[: EACH.get(_kind(fit), 1)]:
            lines.append((fit.card, fit.runtime, fit.version, fit.key, shape, f"{seconds:.6g}"))
    text = io.StringIO()
    text.write(
        f"# Held-out rows of the tables of aiconfigurator-core {VERSION}, Copyright (c) 2025-2026 NVIDIA CORPORATION &"
        " AFFILIATES, Apache-2.0; written by fit_kernels.py\n"
    )
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(lines)
    return text.getvalue()


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _kind(fit: Fit) -> str:
    return fit.key.split(":")[0]


def _group(fit: Fit) -> tuple[str, str]:
    """Runtime and formats: what a reader asks for; head sizes and numbers of cards are put together."""
    names = [part for part in fit.key.split(":")[1:] if not part.isdigit()]
    return fit.runtime, " ".join(names)


def _cells(errors: list[Error]) -> str:
    """Mean and median of the middle fit, and how many rows all of them have."""
    known = [off for off in errors if off.rows]
    if not known:
        return "-"
    middle = (median(off.mean for off in known), median(off.median for off in known))
    return f"{_percent(middle[0])} / {_percent(middle[1])} ({sum(off.rows for off in known)})"


def errors_table(found: list[Fit | Unfitted]) -> str:
    """Errors of held-out rows by kind, runtime and format, over all cards; and what has no fit."""
    fits = [fit for fit in found if isinstance(fit, Fit)]
    lines = [
        "# Errors of the fitted kernels on held-out shapes",
        EXPLAINED,
    ]
    for kind in dict.fromkeys(map(_kind, fits)):
        own = [fit for fit in fits if _kind(fit) == kind]
        names = list(own[0].regimes)
        lines += ["", f"## {kind}", f"| runtime | format | fits | cold | worst | {' | '.join(names)} |"]
        lines.append("|---" * (5 + len(names)) + "|")
        for group in sorted(dict.fromkeys(map(_group, own))):
            of = [fit for fit in own if _group(fit) == group]
            cells = [_cells([fit.held for fit in of]), _percent(max(fit.held.mean for fit in of))]
            cells += [_cells([fit.regimes[name] for fit in of]) for name in names]
            lines.append(f"| {group[0]} | {group[1] or '-'} | {len(of)} | {' | '.join(cells)} |")
    lines += ["", "## Not fitted", "| card | runtime | version | fit | why |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(none)} |" for none in found if isinstance(none, Unfitted)]
    return "\n".join(lines) + "\n"
