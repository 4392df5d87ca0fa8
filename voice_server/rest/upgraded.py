"""uvicorn's WebSocket connection, so that one that takes nothing any more can be got rid of."""

import socket
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

ABORT = "voice_server.abort"
"""The extension of the ASGI scope that cuts the connection at once; ASGI itself has no word for that."""

_SEND_BUFFER_BYTES = 256 << 10


class UpgradedConnection(WebSocketsSansIOProtocol):
    """Bounds the kernel's share of what waits for the caller, and tells the application how to cut it off."""

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if self.close_sent:
            return
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.scope["extensions"][ABORT] = {"call": self.transport.abort}

    async def send(self, message: "ASGISendEvent") -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True  # refused in full; else it is logged as an error of ours
