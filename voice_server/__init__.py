"""A self-hosted, real-time voice chat server."""

__version__ = "0.1.0"

__all__ = ["__version__"]
