"""Writes what follows from the settings: `config/default.toml` and `docs/settings.md`.

With `--check` nothing is written; files that are out of step are named, and the exit code is 1.
"""

import argparse
import json
import textwrap
from itertools import groupby
from pathlib import Path

from voice_server.settings import Setting, settings_table

ROOT = Path(__file__).resolve().parent.parent

TOML_HEAD = """\
# Every setting with its default. Do not edit: `scripts/docs` writes this file.
# Put what you want different into a file of your own and name it: voice-server serve --config FILE
# An environment variable wins over both, as VOICE_SERVER_PORT or VOICE_SERVER_LIMITS__INIT_S.
"""

PAGE_HEAD = """\
# Settings

A setting has a default, which a TOML file (`voice-server serve --config FILE`), then an environment variable,
then the command line may replace. A file needs to hold only what it changes:

```toml
llm_model = "qwen-0.5b"

[turn_detection]
silence_ms = 700

[[api_keys]]
key = "a long secret"
name = "kitchen tablet"
tier = "basic"       # free, basic, pro or enterprise
```

In the environment a list is words between commas (`VOICE_SERVER_API_KEYS=first,second`) or JSON, and an empty
variable counts as not set. `voice-server config check` shows what is in force and where it was set, and hides
every key. A container platform that adds variables of its own (Kubernetes does for a service named
`voice-server`) may set `VOICE_SERVER_PORT` to something that is no port: turn that off
(`enableServiceLinks: false`).

This page is written by `scripts/docs`.
"""


def default_toml(settings: list[Setting]) -> str:
    lines = [TOML_HEAD]
    for table, group in groupby(settings, _table_of):
        if table:
            lines.append(f"\n[{table}]\n")
        for setting in group:
            comment = f"{setting.description} ({setting.allowed})"
            lines += textwrap.wrap(comment, 108, initial_indent="# ", subsequent_indent="# ")
            # JSON and TOML agree on numbers, booleans, lists and plain text.
            lines.append(f"{setting.name.rpartition('.')[2]} = {json.dumps(setting.default)}\n")
    return "\n".join(lines).replace("\n\n\n", "\n\n")


def settings_page(settings: list[Setting]) -> str:
    parts = [PAGE_HEAD]
    for table, group in groupby(settings, _table_of):
        parts.append(f"\n## {f'`[{table}]`' if table else 'Plain settings'}\n\n")
        parts.append("| setting | environment | default | takes | meaning |\n|---|---|---|---|---|\n")
        for setting in group:
            cells = [
                f"`{setting.name}`",
                f"`{setting.variable}`",
                f"`{json.dumps(setting.default)}`",
                setting.allowed,
                setting.description,
            ]
            parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return "".join(parts)


def _table_of(setting: Setting) -> str:
    return setting.name.rpartition(".")[0]


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="name what is out of step and write nothing")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to work on")
    options = parser.parse_args()
    settings = settings_table()
    wanted = {
        "config/default.toml": default_toml(settings),
        "docs/settings.md": settings_page(settings),
    }
    stale = []
    for name, text in wanted.items():
        file: Path = options.root / name
        if not file.is_file() or file.read_text("utf-8") != text:
            stale.append(name)
            if not options.check:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, "utf-8")
                print(f"written: {name}")
    if options.check and stale:
        print(
            f"out of step with the settings: {', '.join(stale)}. Run scripts/docs and commit what it writes."
        )
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
