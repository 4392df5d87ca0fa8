"""What a language model may call on this server: functions, HTTP endpoints, MCP servers."""
