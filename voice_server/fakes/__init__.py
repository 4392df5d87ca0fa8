"""The vendors on loopback: servers that speak their wires, and fail as they are told."""
