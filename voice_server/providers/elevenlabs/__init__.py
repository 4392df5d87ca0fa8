"""ElevenLabs: voices by HTTP or WebSocket, and Scribe for recognition."""
