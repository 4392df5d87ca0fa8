import asyncio
import threading

import pytest

pytestmark = pytest.mark.session


async def test_waiting_costs_no_time_but_the_clock_goes_on() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.sleep(30)
    assert loop.time() - began == pytest.approx(30, abs=0.001)


async def test_timers_come_in_their_order() -> None:
    order: list[int] = []

    async def note(number: int) -> None:
        await asyncio.sleep(number)
        order.append(number)

    await asyncio.gather(*(note(number) for number in (3, 1, 2)))
    assert order == [1, 2, 3]


async def test_the_clock_stands_still_while_a_worker_works() -> None:
    loop, may_end = asyncio.get_running_loop(), threading.Event()
    began = loop.time()
    alarm = loop.call_later(60, may_end.set)
    real_timer = threading.Timer(0.05, may_end.set)
    real_timer.start()
    assert await loop.run_in_executor(None, may_end.wait, 30)
    assert loop.time() - began < 1
    alarm.cancel()
    real_timer.join()


async def test_a_timeout_is_one_in_virtual_time() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3_600):
            await asyncio.Event().wait()
