"""Services of others, live: what a survey has to tell them goes through the outbox, in order, each item once.

    with open_service("earthranger", "https://park.pamdas.org", token) as service:
        queued = enqueue(census, "2026-wet", service, options, now=now)
        sent = send(census, service)

Without a connection everything stays in the outbox of the census; run the same again, and it goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType

from sqlalchemy.orm import Session

from counts.census import Census
from counts.exchange.exported import ExportOptions
from counts.exchange.geojson import individual_features
from counts.exchange.names import gather_named
from counts.exchange.records import SurveyRecords
from counts.exchange.services import earthranger, smart
from counts.exchange.services.client import (
    Answer,
    Patience,
    RefusedError,
    ServiceClient,
    Token,
    UnansweredError,
    check_target,
    read_token,
)
from counts.store import outbox
from counts.store.outbox import OutgoingItem, Queued, WaitingItem
from flightplan.clock import Clock, WallClock
from flightplan.errors import CensusError, Skip

__all__ = [
    "SERVICES",
    "Answer",
    "Patience",
    "RefusedError",
    "Sent",
    "Service",
    "ServiceClient",
    "Token",
    "UnansweredError",
    "check_target",
    "enqueue",
    "make_items",
    "open_service",
    "read_token",
    "send",
]

SERVICES = {
    "earthranger": earthranger.TOKEN_VARIABLE,
    "smart": smart.TOKEN_VARIABLE,
    "geojson": "OVERFLY_SERVICE_TOKEN",
}
"""The standards that can be sent, and the variable that holds the secret of each."""


@dataclass(frozen=True)
class Sent:
    """How a run ended: items delivered, found to be there already, refused by name, still waiting and why."""

    delivered: int
    there: int
    refused: tuple[Skip, ...]
    waiting: int
    stopped: str | None


class Service:
    """A service. `area`: SMART's conservation area; `provider`: what EarthRanger calls whoever sends observations."""

    def __init__(
        self, name: str, client: ServiceClient, token: Token, *, area: str | None = None, provider: str = "overfly"
    ) -> None:
        self.name, self.client, self.area, self.provider = name, client, area, provider
        self._token = token
        self._let_in = name != "smart"

    def let_in(self) -> None:
        """Sign in where the service wants it, once."""
        if not self._let_in:
            smart.sign_in(self.client, self._token)
            self._let_in = True

    def asks(self, item: WaitingItem) -> Callable[[], bool] | None:
        """Return a question whether the service has an item, None where it cannot be asked."""
        if self.name == "earthranger":
            return earthranger.asks(self.client, item)
        return smart.asks(self.client, item) if self.name == "smart" else None

    def __enter__(self) -> Service:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()


def open_service(
    name: str,
    target: str,
    token: Token,
    *,
    area: str | None = None,
    provider: str = "overfly",
    patience: Patience | None = None,
    clock: Clock | None = None,
    on_wait: Callable[[float, str], None] | None = None,
) -> Service:
    """Return a service at an address; nothing is asked of it yet. Raises CensusError for one that is not known."""
    if name not in SERVICES:
        raise CensusError(f"{name!r} cannot be sent to a service", hint=f"These can: {', '.join(SERVICES)}")
    headers = {} if name == "smart" else earthranger.headers(token)
    secrets = (token, Token(token.value.partition(":")[2] or token.value, token.source))
    client = ServiceClient(target, headers, secrets=secrets, patience=patience, clock=clock, on_wait=on_wait)
    return Service(name, client, token, area=area, provider=provider)


def make_items(
    name: str, records: SurveyRecords, options: ExportOptions, *, area: str | None = None, provider: str = "overfly"
) -> tuple[list[OutgoingItem], tuple[Skip, ...]]:
    """Return what a survey has to tell a service, and what it cannot, by name."""
    if name == "earthranger":
        return earthranger.make_items(records, options, provider)
    if name == "smart":
        return smart.make_items(records, options, area)
    features = individual_features(records, options)
    items = [OutgoingItem(f"individual/{records.survey.name}/{i}", f"feature {i}", "", f) for i, f in features]
    return items, ()


def enqueue(
    census: Census,
    survey_name: str,
    service: Service,
    options: ExportOptions,
    *,
    sensitive: Collection[str] = (),
    now: datetime,
) -> tuple[Queued, tuple[Skip, ...]]:
    """Put what a survey has to tell into the outbox, and return that and what cannot be told, by name."""
    with census.reading() as session:
        records, named = gather_named(session, survey_name, sensitive, options)
    items, skips = make_items(service.name, records, named, area=service.area, provider=service.provider)
    with census.writing() as session:
        queued = outbox.queue_items(session, records.survey.survey_id, service.name, service.client.target, items, now)
    return queued, skips


def send(
    census: Census,
    service: Service,
    *,
    clock: Clock | None = None,
    on_sent: Callable[[int, int], None] | None = None,
) -> Sent:
    """Send what waits in the outbox for a service, in order, and stop at the first that nobody answers.

    What is refused for what it says is named, and the rest goes on. Raises ServiceError where the service does not let
    us in. Killed anywhere, the next run asks for what was in doubt, or sends it again with the same key.
    """
    ledger = _Ledger(census, clock or WallClock())
    with census.reading() as session:
        waiting = outbox.waiting_items(session, service.name, service.client.target)
    delivered, there, refused = 0, 0, []
    try:
        if waiting:
            service.let_in()
    except UnansweredError as error:
        return Sent(0, 0, (), len(waiting), str(error))
    try:
        for number, item in enumerate(waiting):
            ledger.begin(item)
            try:
                answer = service.client.post(
                    item.path, item.body, item.idempotency_key, is_there=service.asks(item), in_doubt=item.in_doubt
                )
            except RefusedError as error:
                ledger.end(item, outbox.REFUSED, error.status, error.what)
                refused.append(Skip(item.item_key, error.what))
                continue
            except UnansweredError as error:
                return Sent(delivered, there, tuple(refused), len(waiting) - number, str(error))
            ledger.end(item, outbox.THERE if answer.is_known else outbox.DELIVERED, answer.status, answer.text or None)
            delivered, there = delivered + (not answer.is_known), there + answer.is_known
            if on_sent is not None:
                on_sent(number + 1, len(waiting))
    finally:
        ledger.close()
    return Sent(delivered, there, tuple(refused), 0, None)


class _Ledger:
    """What was begun and how it ended, on disk before the next request goes out: one transaction for each item."""

    def __init__(self, census: Census, clock: Clock) -> None:
        self._census, self._clock = census, clock
        self._ended: tuple[WaitingItem, str, datetime, int | None, str | None] | None = None

    def begin(self, item: WaitingItem) -> None:
        with self._census.writing() as session:
            self._write_end(session)
            outbox.add_attempt(session, item.item_id, _now(self._clock))
        self._ended = None

    def end(self, item: WaitingItem, outcome: str, status: int | None, answer: str | None) -> None:
        self._ended = (item, outcome, _now(self._clock), status, answer)

    def close(self) -> None:
        if self._ended is not None:
            with self._census.writing() as session:
                self._write_end(session)
            self._ended = None

    def _write_end(self, session: Session) -> None:
        if self._ended is not None:
            item, outcome, time, status, answer = self._ended
            outbox.add_receipt(session, item.item_id, outcome, time, status, answer)


def _now(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.now_s(), UTC)
