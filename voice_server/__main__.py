"""`python -m voice_server` is the `voice-server` command."""

from voice_server.cli import main

if __name__ == "__main__":
    main()
