"""What an operator may set, and the only place that reads the environment."""

from voice_server.settings.describe import Explained, Setting, explain, settings_table
from voice_server.settings.load import load_settings, packaged_file, unknown_variables
from voice_server.settings.model import ApiKey, Settings, Tier
from voice_server.settings.tables import Deadlines, Limits, TurnDetection
from voice_server.settings.tools import HttpEndpoint, McpServer, Tools
from voice_server.settings.vendors import Role, Vendors

__all__ = [
    "ApiKey",
    "Deadlines",
    "Explained",
    "HttpEndpoint",
    "Limits",
    "McpServer",
    "Role",
    "Setting",
    "Settings",
    "Tier",
    "Tools",
    "TurnDetection",
    "Vendors",
    "explain",
    "load_settings",
    "packaged_file",
    "settings_table",
    "unknown_variables",
]
