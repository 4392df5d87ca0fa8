"""Reads the multipart forms that clips are uploaded in."""

import email
import email.policy

from voice_server.fakes.asgi import Exchange


def fields_of(exchange: Exchange) -> dict[str, bytes]:
    """The fields of the request's form, files among them."""
    head = f"Content-Type: {exchange.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + exchange.body, policy=email.policy.HTTP)
    fields: dict[str, bytes] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        body = part.get_payload(decode=True)
        assert isinstance(name, str) and isinstance(body, bytes)
        fields[name] = body
    return fields
