"""Measures a server: a ladder of concurrencies, each rung stored as soon as one of its requests has finished."""

import secrets
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, NamedTuple

from assay.answers.bench import BenchAnswer
from assay.answers.measured import Naming, cards_named, identified, unidentified
from assay.errors import NoGpu, UsageError
from assay.observe.measurements.ladder import Plan, Prepared, Rung, climb, warm_up
from assay.observe.measurements.server import Address, Server, address_of
from assay.observe.measurements.statistics import average, figures_of, notes_of
from assay.observe.measurements.store import Store
from assay.observe.measurements.trouble import Trouble
from assay.observe.profile import store_path
from assay.observe.progress import tell
from assay.types.measurement import Figures, MeasuredCard, MeasuredModel, Measurement, Origin, Workload
from assay.types.message import Message, message

TOOL = "assay bench run"
OWNERS = {"vllm": "vllm", "sglang": "sglang", "llamacpp": "llama.cpp", "tensorrt_llm": "tensorrt-llm"}
"""Who owns a model, as servers answer /v1/models, and the runtime that answers so."""
VERSIONS = {
    "vllm": ("/version", "version"),
    "llama.cpp": ("/props", "build_info"),
    "sglang": ("/get_server_info", "version"),
    "tensorrt-llm": ("/version", "version"),
}
MOST_AT_ONCE = 1024
STORE_SECONDS = 2.0
"""How long finished requests of a rung that goes on may wait to be stored: to write takes time from the clock."""


class RunRequest(NamedTuple):
    """What was asked.

    Attributes:
        url: the server's address.
        naming: what the user says of it.
        concurrency: the rungs of the ladder, requests at once.
        prompt, output: tokens of a request.
        seconds: how long new requests of a rung are started.
        most: requests of a rung.
        silence: how long the server may be silent, s.
        save: whether the rungs are stored.
    """

    url: str
    naming: Naming = Naming()
    concurrency: tuple[int, ...] = (1, 2, 4, 8)
    prompt: int = 512
    output: int = 128
    seconds: float = 20.0
    most: int = 256
    silence: float = 60.0
    save: bool = True


class Target(NamedTuple):
    """The server as it names itself."""

    model: str
    runtime: str | None
    version: str | None


def _models(server: Server) -> list[dict[str, Any]]:
    """The models that the server says it has.

    Raises:
        Trouble: it does not say.
    """
    data = server.document("/v1/models").get("data")
    found = [entry for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []
    found = [entry for entry in found if isinstance(entry.get("id"), str) and entry["id"]]
    if not found:
        raise Trouble("garbage", words="/v1/models")
    return found


def _chosen(models: list[dict[str, Any]], wanted: str | None) -> dict[str, Any]:
    """The model to ask: the one that is named, or the only one.

    Raises:
        UsageError: the server has several, and none is the one that is named.
    """
    names = [str(entry["id"]) for entry in models]
    if wanted in names:
        return models[names.index(wanted)]
    if len(models) > 1:
        raise UsageError(
            message("error.bench.several_models", count=len(models)),
            message("hint.bench.several_models", names=", ".join(names)),
            candidates=names,
        )
    return models[0]


def _version(server: Server, runtime: str | None) -> str | None:
    """The version of a known runtime; a server that does not tell it has none."""
    if runtime is None:
        return None
    path, key = VERSIONS[runtime]
    try:
        said = server.document(path).get(key)
    except Trouble:
        return None
    return said if isinstance(said, str) and said else None


def _target(server: Server, naming: Naming) -> Target:
    entry = _chosen(_models(server), naming.model)
    runtime = naming.runtime or OWNERS.get(str(entry.get("owned_by")))
    return Target(str(entry["id"]), runtime, _version(server, runtime if runtime in VERSIONS else None))


def _cards(address: Address, naming: Naming) -> tuple[MeasuredCard, ...]:
    """The cards that were named, else this machine's if the server runs here and there is one kind of card.

    Raises:
        UnknownGpu: what was named is no card of the catalogue.
    """
    if naming.gpu is not None:
        return cards_named(naming.gpu)
    if not address.local:
        return ()
    from assay.answers.gpu import answer  # noqa: PLC0415 -- looks at the drivers: only when needed

    try:
        here = answer(None).results
    except NoGpu:
        return ()
    if len(here) > 1:  # the server may use any of them
        return ()
    found = here[0].identification
    return (MeasuredCard(found.query, found.candidates, 1, "machine"),)


class _Run:
    """One run: whom it asks, what for, and where it stores what it has."""

    def __init__(
        self, request: RunRequest, target: Target, cards: tuple[MeasuredCard, ...], store: Store | None
    ) -> None:
        self.request, self.store = request, store
        self.id = secrets.token_hex(8)
        self.begun = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.first = 1
        self.due = 0.0
        blank = Measurement(
            when=self.begun,
            kind="serving",
            cards=cards,
            model=MeasuredModel(target.model, None, None, "server"),
            runtime=target.runtime,
            version=target.version,
            workload=Workload(None, None, None),
            figures=Figures(),
            origin=Origin(TOOL, address_of(request.url).text, self.id, 0),
        )
        self.template = identified(blank, request.naming._replace(gpu=None))

    def measured(self, rung: Rung, place: int) -> Measurement | None:
        """The measurement of a rung, None before its first request has finished."""
        observed = rung.observed
        if not observed.finished:
            return None
        partial = None if rung.done else message("bench.partial.running", "warning")
        if rung.trouble is not None:
            partial = rung.trouble.message
        elif rung.interrupted:
            partial = message("bench.partial.interrupted", "warning")
        asked = (("prompt", str(self.request.prompt)), ("output", str(self.request.output)))
        return self.template._replace(
            workload=Workload(
                observed.concurrency,
                average([stream.prompt for stream in observed.finished]),
                average([stream.tokens for stream in observed.finished]),
            ),
            figures=figures_of(observed),
            origin=self.template.origin._replace(row=place),
            settings=(*asked, ("seconds", f"{self.request.seconds:g}")),
            partial=partial,
            notes=notes_of(observed),
        )

    def keep(self, rung: Rung, place: int) -> Measurement | None:
        """Store what a rung has seen so far."""
        found = self.measured(rung, place)
        return found if found is None or self.store is None else self.store.put(found)

    def climb(self, server: Server, plan: Plan, prepared: Prepared) -> tuple[tuple[Measurement, ...], Rung | None]:
        """All rungs, up to the one that is ended before its time: what was measured, and that rung."""
        kept = []
        for place, concurrency in enumerate(self.request.concurrency):

            def told(rung: Rung, place: int = place) -> None:
                _progress(rung)
                if time.monotonic() >= self.due:
                    self.keep(rung, place)
                    self.due = time.monotonic() + STORE_SECONDS

            tell(message("progress.bench", concurrency=concurrency, finished=0))
            self.due = 0.0
            rung = climb(server, plan, prepared, self.first, concurrency, told)
            self.first += max(plan.most, concurrency)
            found = self.keep(rung, place)
            kept += [] if found is None else [found]
            if not rung.done:
                return tuple(kept), rung
        return tuple(kept), None


def _progress(rung: Rung) -> None:
    observed = rung.observed
    tell(message("progress.bench", concurrency=observed.concurrency, finished=len(observed.finished)))


def _checked(request: RunRequest) -> None:
    """Refuse what no server can be asked.

    Raises:
        UsageError: a ladder without rungs, or a rung or a time out of range.
    """
    if not request.concurrency or not all(1 <= each <= MOST_AT_ONCE for each in request.concurrency):
        raise UsageError(message("error.bench.ladder"), message("hint.bench.ladder", most=MOST_AT_ONCE))
    if request.seconds <= 0 or request.silence <= 0 or min(request.prompt, request.output, request.most) < 1:
        raise UsageError(message("error.bench.ladder"), message("hint.bench.ladder", most=MOST_AT_ONCE))


def _ended(rung: Rung | None) -> tuple[Message | None, int]:
    """What ended the ladder before its time, and the exit code."""
    if rung is None:
        return None, 0
    if rung.trouble is None:
        return message("bench.partial.interrupted", "warning"), 130
    return rung.trouble.message, rung.trouble.error().exit_code


def run(request: RunRequest) -> BenchAnswer:
    """Measure a server; a rung that is cut short is kept and labelled.

    Raises:
        BadInput: an address, a card, a model or a ladder that cannot be used, or a request that the server rejects.
        EnvironmentFailure: the server failed before anything was measured, or the store cannot be written.
        KeyboardInterrupt: the user ended it before anything was measured.
    """
    _checked(request)
    address = address_of(request.url)
    cards = _cards(address, request.naming)
    server = Server(address, request.silence)
    with ExitStack() as stack:
        store = stack.enter_context(Store(store_path())) if request.save else None
        try:
            tell(message("progress.bench_warm_up", url=address.text))
            target = _target(server, request.naming)
            this = _Run(request, target, cards, store)
            plan = Plan(target.model, request.prompt, request.output, request.seconds, request.most, this.id)
            kept, ended = this.climb(server, plan, warm_up(server, plan))
        except Trouble as trouble:
            raise trouble.error() from trouble
        finally:
            tell(None)
    if not kept and ended is not None:
        if ended.trouble is None:
            raise KeyboardInterrupt
        raise ended.trouble.error() from ended.trouble
    stopped, code = _ended(ended)
    said = (*unidentified(this.template), *_remarks(address, this.template, kept))
    return BenchAnswer("run", None if store is None else store.path, kept, said, stopped, code)


def _remarks(address: Address, template: Measurement, kept: tuple[Measurement, ...]) -> tuple[Message, ...]:
    """What was taken for granted."""
    found = []
    if any(card.named_by == "machine" for card in template.cards):
        found.append(message("bench.card_of_machine", name=template.cards[0].text))
    if kept and kept[0].workload.prompt is None:
        found.append(message("bench.note.no_usage"))
    return (*found, message("bench.from_here", url=address.text))
