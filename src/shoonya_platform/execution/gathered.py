"""Puts what arrives together into one deed: one durable commit for many alerts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


class Gathered(Generic[In, Out]):
    """
    Does a deed for many callers at once.

    While one deed runs, the items of later callers gather, and go into the next one
    together.  A single caller waits for nobody.

    Args:
        executor: Runs the deed, off the event loop.

        deed: Takes items, returns as many results in their order; what it raises,
            every caller of that round gets.

        most: So many items at the most in one deed.
    """

    def __init__(
        self,
        executor: Executor,
        deed: Callable[[Sequence[In]], Sequence[Out]],
        *,
        most: int,
    ) -> None:
        self._executor = executor
        self._deed = deed
        self._most = most
        self._waiting: list[tuple[In, asyncio.Future[Out]]] = []
        self._doing: asyncio.Task[None] | None = None

    async def __call__(self, item: In) -> Out:
        """Have the deed done for an item; return its result."""
        future: asyncio.Future[Out] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._doing is None or self._doing.done():
            self._doing = asyncio.create_task(self._do())
        return await future

    async def _do(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            now, self._waiting = (
                self._waiting[: self._most],
                self._waiting[self._most :],
            )
            items = [item for item, _ in now]
            try:
                results = await loop.run_in_executor(self._executor, self._deed, items)
            except Exception as e:  # noqa: BLE001 handed on to those who wait
                for _, future in now:
                    if not future.done():
                        future.set_exception(e)
                continue
            for (_, future), result in zip(now, results, strict=True):
                # A sender who hung up meanwhile has canceled his.
                if not future.done():
                    future.set_result(result)
