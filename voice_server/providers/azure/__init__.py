"""Azure's speech service, by its native SDK."""
