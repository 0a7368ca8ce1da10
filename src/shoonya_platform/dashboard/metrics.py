"""`GET /metrics`: the figures in Prometheus' form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shoonya_platform.assessment.conditions import KINDS, Severity
from shoonya_platform.dashboard import queries
from shoonya_platform.dashboard.meter import BUCKETS
from shoonya_platform.dashboard.results import Figures
from shoonya_platform.dashboard.sources import Sources
from shoonya_platform.domain.discrepancies import DiscrepancyKind
from shoonya_platform.domain.orders import OrderStatus
from shoonya_platform.domain.trading import TradingState
from shoonya_platform.services.child import ServiceStatus

if TYPE_CHECKING:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        Metric,
    )

_PREFIX = "shoonya_"


class Metrics:
    """The handler."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def routes(self) -> list[Route]:
        return [Route("/metrics", self.metrics)]

    async def metrics(self, request: Request) -> Response:
        # Where nobody scrapes, nobody pays for the library.
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

        queries.no_query(request.query_params)
        registry = CollectorRegistry()
        registry.register(_Collector(await self._sources.figures()))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Collector:
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        yield from _conditions(self._figures)
        yield from _services(self._figures)
        yield from _orders(self._figures)
        yield from _money(self._figures)
        yield from _log(self._figures)


def _gauge(name: str, text: str, labels: tuple[str, ...] = ()) -> GaugeMetricFamily:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(_PREFIX + name, text, labels=labels)


def _counter(name: str, text: str, labels: tuple[str, ...] = ()) -> CounterMetricFamily:
    from prometheus_client.core import CounterMetricFamily

    return CounterMetricFamily(_PREFIX + name, text, labels=labels)


def _conditions(figures: Figures) -> Iterator[Metric]:
    # Every kind has its series, or a rule could not say that one is over.
    conditions = _gauge(
        "conditions", "What needs attention, as `check` says.", ("kind", "severity")
    )
    found = Counter((each.kind, each.severity) for each in figures.conditions)
    for kind in KINDS:
        for severity in Severity:
            conditions.add_metric([kind, severity], found[kind, severity])
    discrepancies = _gauge(
        "discrepancies", "Open differences with the broker's books.", ("kind",)
    )
    for each in DiscrepancyKind:
        discrepancies.add_metric([each], figures.discrepancies.get(each, 0))
    yield from (conditions, discrepancies)


def _services(figures: Figures) -> Iterator[Metric]:
    state = _gauge("service_state", "1 for the state it is in.", ("service", "state"))
    up = _gauge("service_up", "1 if the service is running.", ("service",))
    restarts = _gauge(
        "service_restarts", "Crashes that count at the moment.", ("service",)
    )
    memory = _gauge("service_memory_bytes", "Its memory.", ("service",))
    for view in figures.services:
        for each in ServiceStatus:
            state.add_metric([view.service, each], float(view.state is each))
        up.add_metric([view.service], float(view.state is ServiceStatus.RUNNING))
        restarts.add_metric([view.service], view.restarts)
        if view.memory_bytes is not None:
            memory.add_metric([view.service], view.memory_bytes)
    yield from (state, up, restarts, memory)
    depth = _gauge("queue_depth", "Rows that wait for the service.", ("service",))
    age = _gauge(
        "queue_age_seconds", "How long the oldest of them has waited.", ("service",)
    )
    for queue in figures.queues:
        depth.add_metric([queue.service], queue.depth)
        age.add_metric([queue.service], queue.age_seconds)
    yield from (depth, age)


def _orders(figures: Figures) -> Iterator[Metric]:
    from prometheus_client.core import HistogramMetricFamily

    orders = _gauge("orders", "Orders by status.", ("status",))
    for status in OrderStatus:
        orders.add_metric([status], figures.orders.get(status, 0))
    yield orders
    events = _counter(
        "order_events", "Recorded events of alerts and orders.", ("service", "event")
    )
    for (service, event), number in sorted(figures.events.events.items()):
        events.add_metric([service, event], number)
    yield events
    denials = _counter("denials", "Denied orders by reason.", ("code",))
    for code, number in sorted(figures.events.denials.items()):
        denials.add_metric([code], number)
    yield denials
    refusals = _counter(
        "alerts_refused", "Alerts that the webhook refused, by reason.", ("code",)
    )
    for code, number in sorted(figures.refusals.items()):
        refusals.add_metric([code], number)
    yield refusals
    hops = HistogramMetricFamily(
        f"{_PREFIX}hop_seconds",
        "From the event before to this one; 'accepted' is the broker's answer.",
        labels=("service", "event"),
    )
    for (service, event), histogram in sorted(figures.events.hops.items()):
        total = 0
        buckets: list[tuple[str, float]] = []
        for bound, number in zip(
            [*map(str, BUCKETS), "+Inf"], histogram.buckets, strict=True
        ):
            total += number
            buckets.append((bound, total))
        hops.add_metric([service, event], buckets, histogram.seconds)
    yield hops


def _money(figures: Figures) -> Iterator[Metric]:
    state = _gauge("trading_state", "1 for the state trading is in.", ("state",))
    for each in TradingState:
        state.add_metric([each], float(figures.trading.status.state is each))
    reconciled = _gauge(
        "reconciliation_succeeded",
        "1 if the broker's books could be compared last time.",
    )
    if figures.reconciled is not None:
        reconciled.add_metric([], float(figures.reconciled))
    pnl = _gauge("pnl_rupees", "The day's profit and loss.", ("kind",))
    pnl.add_metric(["realised"], float(figures.book.realised_today))
    pnl.add_metric(["unrealised"], float(figures.book.unrealised_pnl))
    exposure = _gauge("exposure_rupees", "Gross value of all positions.")
    exposure.add_metric([], float(figures.book.exposure))
    positions = _gauge("open_positions", "Positions that are not flat.")
    positions.add_metric([], figures.book.open_positions)
    yield from (state, reconciled, pnl, exposure, positions)


def _log(figures: Figures) -> Iterator[Metric]:
    records = _counter("log_records", "Records in the file.", ("component",))
    written = _counter("log_written_bytes", "Bytes of them.", ("component",))
    for component, number in sorted(figures.log.records.items()):
        records.add_metric([component], number)
        written.add_metric([component], figures.log.bytes[component])
    lost = _counter(
        "log_lost_records", "Records that a copy lacks.", ("component", "copy")
    )
    for (component, copy), number in sorted(figures.log.lost.items()):
        lost.add_metric([component, copy], number)
    yield from (records, written, lost)
    disk = _gauge("log_disk_bytes", "What the files take.", ("component",))
    for use in figures.disk.components:
        disk.add_metric([use.component], use.total_bytes)
    budget = _gauge("log_budget_bytes", "What all of them may take.")
    budget.add_metric([], figures.disk.budget_bytes)
    used = _gauge("log_used_bytes", "What all of them take, others' files too.")
    used.add_metric([], figures.disk.used_bytes)
    yield from (disk, budget, used)
