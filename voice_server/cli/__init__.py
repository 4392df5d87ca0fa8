"""The commands."""

from voice_server.cli.commands import main

__all__ = ["main"]
