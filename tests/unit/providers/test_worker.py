import asyncio
import threading

import pytest

from voice_server.errors import ProviderUnavailable
from voice_server.providers.local.worker import Worker

pytestmark = pytest.mark.unit


async def test_urgent_jobs_overtake_the_others_and_cancelled_ones_never_run() -> None:
    worker, gate, order = Worker("test"), threading.Event(), list[str]()
    started = threading.Event()

    def hold() -> None:
        started.set()
        gate.wait()

    holding = asyncio.create_task(worker.run(hold))
    await asyncio.to_thread(started.wait)
    partial = asyncio.create_task(worker.run(lambda: order.append("partial"), urgent=False))
    dropped = asyncio.create_task(worker.run(lambda: order.append("dropped")))
    first = asyncio.create_task(worker.run(lambda: order.append("first")))
    second = asyncio.create_task(worker.run(lambda: order.append("second")))
    await asyncio.sleep(0)
    dropped.cancel()
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(holding, partial, first, second)
    assert order == ["first", "second", "partial"]
    await worker.close()


async def test_a_job_may_ask_whether_an_urgent_one_waits() -> None:
    worker, began, gate = Worker("test"), threading.Event(), threading.Event()

    def guess() -> list[bool]:
        pressed = [worker.is_pressed]
        began.set()
        gate.wait(5)
        return [*pressed, worker.is_pressed]

    guessing = asyncio.create_task(worker.run(guess, urgent=False))
    await asyncio.to_thread(began.wait, 5)
    dropped = asyncio.create_task(worker.run(lambda: None))
    urgent = asyncio.create_task(worker.run(lambda: None))
    await asyncio.sleep(0)
    dropped.cancel()
    await asyncio.sleep(0)
    gate.set()
    assert await guessing == [False, True]
    await urgent
    assert not worker.is_pressed
    await worker.close()


async def test_an_error_goes_to_who_asked_and_the_thread_lives_on() -> None:
    worker = Worker("test")
    with pytest.raises(ZeroDivisionError):
        await worker.run(lambda: 1 // 0)
    assert await worker.run(lambda: 2) == 2
    await worker.close()


async def test_a_closed_worker_refuses() -> None:
    worker = Worker("test")
    await worker.close()
    with pytest.raises(ProviderUnavailable, match="test"):
        await worker.run(lambda: 1)
