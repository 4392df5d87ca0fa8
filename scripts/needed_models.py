"""Prints the names of the local models that the settings in force need, one a line.

Takes the arguments of `voice-server serve` and heeds those that say which models.
"""

import argparse
import sys
from pathlib import Path

from voice_server.errors import ConfigurationError
from voice_server.settings import load_settings


def main() -> int:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--llm-model")
    options, _ = parser.parse_known_args()
    try:
        settings = load_settings(options.config, {"llm_model": options.llm_model})
    except ConfigurationError as error:
        print(error.message, file=sys.stderr)
        return 1
    print("\n".join(settings.needed_models))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
