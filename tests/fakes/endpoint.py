"""An HTTP service on loopback, for tools; it keeps what it was asked."""

import asyncio

from voice_server.fakes.asgi import AsgiFake, Exchange
from voice_server.fakes.script import Script


class FakeEndpoint(AsgiFake):
    """`/weather/{place}` answers, `/long` with very much, `/elsewhere` by a redirect, `/hang` never."""

    def __init__(self) -> None:
        super().__init__(Script())
        self.asked: list[Exchange] = []

    async def http(self, exchange: Exchange) -> None:
        self.asked.append(exchange)
        match exchange.path.strip("/").split("/"):
            case ["weather", place]:
                await exchange.answer(200, f"Sunny in {place}.".encode(), "text/plain; charset=utf-8")
            case ["long"]:
                await exchange.answer(200, b"word " * 100_000, "text/plain")
            case ["elsewhere"]:
                await exchange.answer(307, b"", "text/plain", location=f"http://{self.address}/weather/Rome")
            case ["hang"]:
                await asyncio.Event().wait()
            case _:
                await exchange.answer(404, b"no such place", "text/plain")
