"""The only place that wires: settings become providers, sessions and the two servers."""

from voice_server.app.access import check_exposure, has_stored_keys, key_ring, tls_context
from voice_server.app.platform import prices_of, rates_of
from voice_server.app.providers import (
    chained,
    default_choice,
    load_catalogue,
    load_embeddings,
    provider_options,
)
from voice_server.app.server import VoiceServer
from voice_server.app.tools import load_tools

__all__ = [
    "VoiceServer",
    "chained",
    "check_exposure",
    "default_choice",
    "has_stored_keys",
    "key_ring",
    "load_catalogue",
    "load_embeddings",
    "load_tools",
    "prices_of",
    "provider_options",
    "rates_of",
    "tls_context",
]
