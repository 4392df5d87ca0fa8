from ipaddress import ip_network

import pytest

from voice_server.gateway.door import Door
from voice_server.gateway.limits import GatewayLimits
from voice_server.gateway.socket import Handshake

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("::ffff:10.0.0.1", "192.0.2.7", "192.0.2.7"),  # a socket for IPv6 and IPv4
        ("10.0.0.1", "203.0.113.9, 192.0.2.7, 10.0.0.2", "192.0.2.7"),
        ("192.0.2.7", "10.0.0.1", "192.0.2.7"),  # nobody we trust says so
        ("10.0.0.1", "unknown", "unknown"),
    ],
)
def test_an_address_is_the_last_that_a_trusted_proxy_names(
    peer: str, forwarded_for: str, address: str
) -> None:
    door = Door(GatewayLimits(), (), [ip_network("10.0.0.0/8")])
    assert door.address_of(Handshake("/", "", {"x-forwarded-for": forwarded_for}, peer)) == address
