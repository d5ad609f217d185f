"""A thread that looks at a card's clock and power while it works."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from assay.types.probe import Sample

INTERVAL_S = 0.02
"""Boost bursts of a fifth of a second get several samples; NVML itself renews its figures about as often."""


@contextmanager
def sampling(look: Callable[[], Sample], interval_s: float = INTERVAL_S) -> Iterator[list[Sample]]:
    """A list that grows by a sample every `interval_s` while the context lasts."""
    found: list[Sample] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            found.append(look())
            done.wait(interval_s)

    thread = threading.Thread(target=watch, name="assay-probe-sampler", daemon=True)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()
