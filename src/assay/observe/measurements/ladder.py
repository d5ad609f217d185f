"""Requests to a server, so many at once for so long, rung after rung; every finished request is told at once."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from assay.observe.measurements.prompts import prompt, words_for
from assay.observe.measurements.server import Question, Server, Stream
from assay.observe.measurements.statistics import Observed
from assay.observe.measurements.trouble import Trouble

TICK_SECONDS = 0.1
LEAVE_SECONDS = 5.0
"""How long threads may take to notice that their connection was ended."""
WARM_UP_SILENCES = 3
"""A first request loads weights and compiles: it may take so many silences in all."""


class Plan(NamedTuple):
    """What to ask of a server.

    Attributes:
        model: its name at the server.
        prompt, output: tokens of a request.
        seconds: how long new requests of a rung are started.
        most: requests of a rung.
        run: random id of the run.
    """

    model: str
    prompt: int
    output: int
    seconds: float
    most: int
    run: str


class Rung(NamedTuple):
    """What a rung has seen so far; `trouble` ended it before its time, `interrupted` the user did."""

    observed: Observed
    trouble: Trouble | None = None
    interrupted: bool = False
    done: bool = False


class Prepared(NamedTuple):
    """How this server is asked, after one request that is not counted; `words` make a prompt of the wanted length."""

    question: Question
    words: int


def _fallbacks() -> Iterator[Question]:
    """Ways to ask, the most telling first."""
    for chat in (False, True):
        for usage, forced in ((True, True), (True, False), (False, False)):
            yield Question(chat, usage, forced)


def warm_up(server: Server, plan: Plan) -> Prepared:
    """Find out how the server is to be asked, and have it load what it loads for its first request.

    Raises:
        Trouble: it cannot be asked.
    """
    first: Trouble | None = None
    for question in _fallbacks():
        if first is not None and first.code == "missing" and not question.chat:
            continue
        try:
            stream = _in_time(server, plan, question)
        except Trouble as trouble:
            if trouble.code not in {"rejected", "missing"}:
                raise
            first = first or trouble
            continue
        return Prepared(question, words_for(plan.prompt, plan.prompt, stream.prompt))
    raise first or Trouble("closed")


def _in_time(server: Server, plan: Plan, question: Question) -> Stream:
    """One request, hung up when it has taken too long.

    Raises:
        Trouble: it failed or took too long.
    """
    limit = server.silence * WARM_UP_SILENCES
    watch = threading.Timer(limit, server.hang_up)
    watch.daemon = True
    watch.start()
    begin = time.monotonic()
    body = question.body(plan.model, prompt(plan.run, 0, plan.prompt), plan.output)
    try:
        return server.stream(question, body, lambda _: None)
    except Trouble as trouble:
        if time.monotonic() - begin >= limit:
            raise Trouble("late", seconds=limit) from trouble
        raise
    finally:
        watch.cancel()


class _Crew:
    """The threads of one rung; each asks again as soon as it was answered."""

    def __init__(self, server: Server, plan: Plan, prepared: Prepared, first: int, concurrency: int) -> None:
        self.server, self.plan, self.prepared = server, plan, prepared
        self.begin = time.monotonic()
        self.until = self.begin + plan.seconds
        self.answers: queue.SimpleQueue[tuple[int, Stream | Trouble | None]] = queue.SimpleQueue()
        self.under_way: dict[int, list[float]] = {}
        self._numbers = iter(range(first, first + max(plan.most, concurrency)))
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(concurrency)]
        for thread in self._threads:
            thread.start()

    def _next(self) -> int | None:
        with self._lock:
            return next(self._numbers, None) if time.monotonic() < self.until else None

    def _work(self) -> None:
        while (number := self._next()) is not None:
            chunks: list[float] = []
            self.under_way[number] = chunks
            text = prompt(self.plan.run, number, self.prepared.words)
            body = self.prepared.question.body(self.plan.model, text, self.plan.output)
            try:
                self.answers.put((number, self.server.stream(self.prepared.question, body, chunks.append)))
            except Trouble as trouble:
                self.answers.put((number, trouble))
                return
            except BaseException:  # a bug must not leave the waiting thread without an answer
                self.answers.put((number, Trouble("closed")))
                raise
        self.answers.put((-1, None))

    def leave(self) -> None:
        """End what is under way and wait for the threads, but not for ever."""
        self.until = 0.0
        self.server.hang_up()
        end = time.monotonic() + LEAVE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))


class _Climb:
    """The waiting side of one rung: what has come in so far."""

    def __init__(self, crew: _Crew, concurrency: int) -> None:
        self.crew, self.concurrency = crew, concurrency
        self.last = crew.until + crew.server.silence
        self.finished: list[Stream] = []
        self.idle = 0
        self.stopped: float | None = None
        self.trouble: Trouble | None = None
        self.interrupted = False

    def so_far(self, *, done: bool = False) -> Rung:
        """The rung as it stands."""
        end = time.monotonic() if self.stopped is None else self.stopped
        under_way = tuple(tuple(chunks) for chunks in tuple(self.crew.under_way.values()))
        observed = Observed(self.concurrency, self.crew.begin, end, tuple(self.finished), under_way)
        return Rung(observed, self.trouble, self.interrupted, done)

    def wait(self, told: Callable[[Rung], None]) -> None:
        """Take answers until every thread is idle, one fails, or the time is over."""
        while self.idle < self.concurrency and self.trouble is None:
            try:
                number, answer = self.crew.answers.get(timeout=TICK_SECONDS)
            except queue.Empty:
                if time.monotonic() > self.last:
                    self.trouble = Trouble("late", seconds=round(self.last - self.crew.begin))
                continue
            if answer is None:
                # From here on fewer than were asked for are under way: the time that counts ends.
                self.idle += 1
                self.stopped = time.monotonic() if self.stopped is None else self.stopped
            elif isinstance(answer, Trouble):
                self.trouble = answer
            else:
                self.finished.append(answer)
                del self.crew.under_way[number]
                told(self.so_far())


def climb(
    server: Server, plan: Plan, prepared: Prepared, first: int, concurrency: int, told: Callable[[Rung], None]
) -> Rung:
    """One rung of the ladder.

    Args:
        server: whom to ask.
        plan: what for.
        prepared: how.
        first: number of the first request; each prompt is its number's.
        concurrency: requests at once.
        told: hears of the rung so far, after every finished request.
    """
    crew = _Crew(server, plan, prepared, first, concurrency)
    waiting = _Climb(crew, concurrency)
    try:
        waiting.wait(told)
    except KeyboardInterrupt:
        waiting.interrupted = True
    rung = waiting.so_far(done=waiting.trouble is None and not waiting.interrupted)
    crew.leave()
    return rung
