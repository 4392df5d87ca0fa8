"""`voice-server keys`: make, list and revoke the API keys of the database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from voice_server import app as wiring
from voice_server.cli.shared import ConfigFile, err, out, run, wide
from voice_server.clock import LoopClock
from voice_server.core.caller import USUAL_SCOPES, Scope, Tier
from voice_server.services.keys import KeyRing, NewKey
from voice_server.settings import Settings, load_settings
from voice_server.store.database import Database
from voice_server.store.keys import KeyRecord

cli = typer.Typer(help="The API keys in the database: create, list, revoke.", no_args_is_help=True)


@cli.command()
def create(
    name: Annotated[str, typer.Option(help="What logs and lists show in the key's stead.")],
    tier: Annotated[Tier, typer.Option(help="How much it may use.")] = Tier.FREE,
    owner: Annotated[
        str | None,
        typer.Option(help="Whose conversations it reaches; without, only its own.", show_default=False),
    ] = None,
    scope: Annotated[
        list[Scope] | None,
        typer.Option(
            help="What it may be used for; may be repeated. voice and chat by default.", show_default=False
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(min=0.01, help="The most it may cost in a month, in USD.", show_default=False),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Make a key and print it, this once. A running server knows it from the next request on.

    Examples:

        voice-server keys create --tier pro --name "kitchen tablet"

        voice-server keys create --name operator --scope admin --scope chat
    """
    scopes = frozenset(scope) if scope else USUAL_SCOPES
    wish = NewKey(name.strip(), tier, owner, scopes, budget)
    if not wish.name or len(wish.name) > 200 or (owner is not None and not 0 < len(owner) <= 200):
        raise typer.BadParameter("a name and an owner are 1 to 200 characters")
    record, key = run(_create(load_settings(config), wish))
    err.print(f"Made {record.id} ({record.name}, {record.tier}). The key is shown only now:", markup=False)
    out.print(key, markup=False)


@cli.command("list")
def list_keys(config: ConfigFile = None) -> None:
    """Show every key of the database, without its text."""
    rows = [_row(one) for one in run(_list(load_settings(config)))]
    if not rows:
        err.print("There is no key yet; `voice-server keys create` makes one.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    titles = [title for title in rows[0] if any(row[title] for row in rows)]
    for title in titles:
        table.add_column(title, no_wrap=True)
    for row in rows:
        table.add_row(*(escape(row[title]) for title in titles))
    wide.print(table)


@cli.command()
def revoke(
    key: Annotated[str, typer.Argument(help="The id or the name of the key, as `keys list` shows it.")],
    config: ConfigFile = None,
) -> None:
    """Revoke a key: it is refused from the next request on, and its sessions end within seconds.

    Example:

        voice-server keys revoke "kitchen tablet"
    """
    for one in run(_revoke(load_settings(config), key)):
        err.print(f"Revoked {one.id} ({one.name}).", markup=False)


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[KeyRing]:
    database = Database(settings.database)
    try:
        await database.open()
        yield wiring.key_ring(settings, database, LoopClock())
    finally:
        await database.close()


async def _create(settings: Settings, wish: NewKey) -> tuple[KeyRecord, str]:
    async with _opened(settings) as keys:
        return await keys.create(wish)


async def _list(settings: Settings) -> list[KeyRecord]:
    async with _opened(settings) as keys:
        return [*await keys.newest()]


async def _revoke(settings: Settings, key: str) -> list[KeyRecord]:
    async with _opened(settings) as keys:
        return [*await keys.revoke(key)]


def _row(one: KeyRecord) -> dict[str, str]:
    return {
        "id": one.id,
        "name": one.name,
        "tier": one.tier,
        "scopes": ", ".join(one.scopes),
        "ends in": one.hint,
        "owner": "" if one.owner == one.id else one.owner,
        "budget": "" if one.monthly_budget is None else f"{one.monthly_budget:g} USD",
        "created": _shown(one.created_at_ms),
        "last used": _shown(one.last_used_at_ms),
        "revoked": _shown(one.revoked_at_ms),
    }


def _shown(at_ms: int | None) -> str:
    return "" if at_ms is None else f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M}"
