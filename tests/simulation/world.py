"""
The simulated machine: one thread, one queue of events, two clocks.

Each process of the platform is a greenlet.  It runs until it waits for something (a
timer, a doorbell, an answer from the network); then the next event is taken from the
queue.  So a history depends on the seed alone, and an hour of it takes no waiting.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import greenlet

from tests.simulation.trace import Trace

#: A Wednesday, 10:00 in India: every exchange is open.
BEGIN = datetime(2026, 11, 25, 4, 30, tzinfo=UTC)


class Death(BaseException):
    """A process ends here and now, as by SIGKILL; no handler of its own runs."""


class Stuck(Exception):
    """More events than a history can have: something wakes itself forever."""


class Task:
    """A thread of a simulated process."""

    def __init__(self, world: World, name: str, run: Callable[[], None]) -> None:
        self.name = name
        self.is_done = False
        self._world = world
        self._run = run
        self._greenlet = greenlet.greenlet(self._main, world.hub)
        #: Of the wake-up that counts; an earlier one in the queue is passed over.
        self._turn = 0
        self._death: BaseException | None = None
        self._error: BaseException | None = None
        self.on_end: Callable[[BaseException | None], None] = lambda error: None

    def wake(self, delay: float = 0.0) -> None:
        """Let it continue after a delay, whatever it waits for."""
        self._turn += 1
        turn = self._turn
        self._world.after(delay, lambda: self._resume(turn))

    def kill(self) -> None:
        """End it where it waits, at once; called from an event, not from a task."""
        if self.is_done or self._death is not None:
            return
        self._death = Death(self.name)
        self._turn += 1
        if self._greenlet:
            self._resume(self._turn)
        else:
            # It has not begun yet.
            self.is_done = True
            self.on_end(self._death)

    def wait(self) -> None:
        """Wait until something wakes it; called by the task itself."""
        self._die_if_killed()
        self._world.hub.switch()
        self._die_if_killed()

    def _die_if_killed(self) -> None:
        if self._death is not None:
            raise self._death

    def _resume(self, turn: int) -> None:
        if turn != self._turn or self.is_done:
            return
        before, self._world.current = self._world.current, self
        try:
            self._greenlet.switch()
        finally:
            self._world.current = before
        self._report_end()

    def _report_end(self) -> None:
        # In the hub: what follows from an end may end other tasks.
        if self.is_done:
            self.on_end(self._error)

    def _main(self) -> None:
        try:
            self._run()
        except BaseException as e:  # noqa: BLE001 the end of a process, whatever it is
            self._error = e
        self.is_done = True


class World:
    """
    The queue of events, the clocks, and the only source of chance.

    Args:
        seed: Of the history.
    """

    def __init__(self, seed: int, trace: Trace) -> None:
        self.random = Random(seed)
        self.trace = trace
        self.time = 0.0  #: seconds since the begin, the queue's own
        self.wall_offset = 0.0  #: what the wall clock has jumped by
        self.closed = (0.0, 0.0)  #: from when to when the market is closed
        self.monotonic_offset = 0.0
        self.hub = greenlet.getcurrent()
        self.current: Task | None = None
        self.clock = SimulatedClock(self)
        self.events = 0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def after(self, delay: float, act: Callable[[], None]) -> None:
        """Have something done after a delay; it must not wait."""
        at = self.time + max(delay, 0.0)
        heapq.heappush(self._queue, (at, next(self._numbers), act))

    def spawn(self, name: str, run: Callable[[], None], delay: float = 0.0) -> Task:
        """Start a task, which may wait."""
        task = Task(self, name, run)
        task.wake(delay)
        return task

    def sleep(self, seconds: float) -> None:
        """Let the current task wait."""
        task = self.current
        if task is None:
            raise RuntimeError("only a task can wait")
        task.wake(seconds)
        task.wait()

    def run(self, until: float, is_over: Callable[[], bool] = lambda: False) -> None:
        """Take events until a time, or until it is over."""
        while self._queue and self._queue[0][0] <= until and not is_over():
            at, _, act = heapq.heappop(self._queue)
            self.time = max(self.time, at)
            self.events += 1
            if self.events > 2_000_000:
                raise Stuck(f"{self.events} events by {self.time:.0f} s")
            act()
        if not is_over():
            self.time = max(self.time, until)

    def set_wall_clock(self, seconds: float) -> None:
        """Let the wall clock jump, back if it is less than 0."""
        self.wall_offset += seconds
        self.note("FAULT", f"the wall clock jumps by {seconds:.1f} s")

    def close_market(self, seconds: float) -> None:
        self.closed = (self.time, self.time + seconds)
        self.note("FAULT", f"the market closes for {seconds:.1f} s")

    def is_closed(self) -> bool:
        """Return whether the market is closed."""
        begin, end = self.closed
        return begin <= self.time < end

    def note(self, actor: str, text: str) -> None:
        """Write a line into the history."""
        self.trace.add(self.time, actor, text)


class SimulatedClock:
    """Both clocks of the machine, the same for all processes."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> datetime:
        world = self._world
        return BEGIN + timedelta(
            microseconds=round((world.time + world.wall_offset) * 1e6)
        )

    def monotonic(self) -> float:
        return 1000.0 + self._world.time + self._world.monotonic_offset


class SimulatedTime:
    """Takes the place of the module `time` in code that waits."""

    def __init__(self, world: World) -> None:
        self._world = world

    def monotonic(self) -> float:
        return self._world.clock.monotonic()

    def time(self) -> float:
        return self._world.clock.now().timestamp()

    def sleep(self, seconds: float) -> None:
        # A nap of the store's writer is far shorter than what it waits for here.
        self._world.sleep(max(seconds, 0.005))


class Event:
    """Takes the place of `threading.Event`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._is_set = False
        self._waiting: list[Task] = []

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        for task in self._waiting:
            task.wake(0.0001)
        self._waiting.clear()

    def clear(self) -> None:
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        task = self._world.current
        if self._is_set or task is None:
            return self._is_set
        self._waiting.append(task)
        if timeout is None:
            task.wait()
        else:
            self._world.sleep(timeout)
        if task in self._waiting:
            self._waiting.remove(task)
        return self._is_set


class Threading:
    """Takes the place of the module `threading`: threads are tasks of a process."""

    def __init__(self, world: World, started: Callable[[Task], None]) -> None:
        self._world = world
        self._started = started

    def Event(self) -> Event:  # noqa: N802 the module's own name
        return Event(self._world)

    def Thread(  # noqa: N802 the module's own name
        self, *, target: Callable[[], None], name: str = "", **_: Any
    ) -> Thread:
        return Thread(self._world, target, name, self._started)


class Thread:
    """Takes the place of `threading.Thread`."""

    def __init__(
        self,
        world: World,
        target: Callable[[], None],
        name: str,
        started: Callable[[Task], None],
    ) -> None:
        self._world = world
        self._target = target
        self._name = name
        self._started = started
        self._task: Task | None = None

    def start(self) -> None:
        self._task = self._world.spawn(self._name, self._target)
        self._task.on_end = self._ended
        self._started(self._task)

    def is_alive(self) -> bool:
        return self._task is not None and not self._task.is_done

    def join(self, timeout: float | None = None) -> None:
        """Nothing to wait for: the process that asks is ending."""

    def _ended(self, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, Death):
            self._world.note(self._name, f"THREAD ENDS: {error!r:.120}")
