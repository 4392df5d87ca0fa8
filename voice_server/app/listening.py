"""The addresses of the two ports."""

import errno
import socket

from voice_server.errors import ConfigurationError

_BACKLOG = 512


def listen(host: str, port: int, variable: str) -> socket.socket:
    """A port that others can connect to; they wait until it is served. `::` is every IPv4 address, too.

    Raises:
        ConfigurationError: it cannot be had; the sentence names the `variable` that sets it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family is socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                f"Port {port} on {host} is already taken. Stop the program that has it, or choose another "
                f"port with {variable}."
            ) from error
        raise ConfigurationError(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from error
    return listener
