"""Decides before the upgrade who may open a socket, and counts who has."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address

from voice_server.errors import LimitError
from voice_server.gateway.limits import GatewayLimits
from voice_server.gateway.socket import Handshake

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP answer in the place of a socket."""

    status: int
    message: str
    headers: dict[str, str] = field(default_factory=dict)


class Door:
    """Origin, and connections per address and in all. Shared by every port."""

    def __init__(
        self, limits: GatewayLimits, origins: Collection[str], trusted_proxies: Sequence[Network] = ()
    ) -> None:
        self._limits = limits
        self._origins = frozenset(origins)
        self._trusted = trusted_proxies
        self._by_address: Counter[str] = Counter()
        self.is_shut = False

    @property
    def count(self) -> int:
        """How many connections there are."""
        return self._by_address.total()

    def judge(self, handshake: Handshake) -> Refusal | None:
        """Why this request may not become a socket, if it may not."""
        origin = handshake.headers.get("origin")
        if origin is not None and origin not in self._origins:
            return Refusal(
                403, f"The origin {origin} may not connect. The operator can add it to 'origins'.\n"
            )
        if self.is_shut or not self._has_room(self.address_of(handshake)):
            return Refusal(503, "Too many connections. Try again later.\n", {"Retry-After": "5"})
        return None

    @contextmanager
    def entered(self, handshake: Handshake) -> Iterator[None]:
        """Counts a connection while it lasts.

        Raises:
            LimitError: others were quicker.
        """
        address = self.address_of(handshake)
        if not self._has_room(address):
            raise LimitError("Too many connections. Try again later.", code="over_capacity")
        self._by_address[address] += 1
        try:
            yield
        finally:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def address_of(self, handshake: Handshake) -> str:
        """Whose connection it is: behind a trusted proxy, whom the proxy names."""
        address = handshake.peer
        for hop in reversed(handshake.headers.get("x-forwarded-for", "").split(",")):
            if not self._is_trusted(address) or not hop.strip():
                break
            address = hop.strip()
        return address

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        if parsed.version == 6 and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped  # how IPv4 comes in where one socket listens for both
        return any(parsed in network for network in self._trusted)

    def _has_room(self, address: str) -> bool:
        return (
            self.count < self._limits.connections
            and self._by_address[address] < self._limits.connections_per_address
        )
