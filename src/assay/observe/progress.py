"""How far a slow reading has come, told to whoever listens; nobody does unless the caller asks for it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from assay.types.message import Message

Listener = Callable[[Message | None], None]
"""Hears each step; None: there is nothing more to tell."""

_listener: ContextVar[Listener | None] = ContextVar("assay_progress", default=None)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Let `listener` hear of every step while this context lasts."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(step: Message | None) -> None:
    """Tell a step; called by the thread that reads, never by its helpers."""
    listener = _listener.get()
    if listener is not None:
        listener(step)
