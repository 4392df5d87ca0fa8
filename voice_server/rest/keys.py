"""`/api/keys`: made, listed and revoked with a key of the scope `admin`."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from voice_server.core.caller import USUAL_SCOPES, Caller, Scope, Tier
from voice_server.rest.context import RestContext
from voice_server.rest.fields import Limit, Name, Offset, PathName, moment
from voice_server.rest.identity import identifier
from voice_server.services.keys import NewKey
from voice_server.store.keys import KeyRecord


class KeyInfo(BaseModel):
    """A key, but not its text; `ends_in` tells keys apart. `owner` is whose conversations it reaches."""

    id: str
    name: str
    tier: Tier
    scopes: list[Scope]
    owner: str
    ends_in: str
    monthly_budget: float | None
    created_at: str
    last_used_at: str | None
    revoked_at: str | None


class KeyList(BaseModel):
    """The keys of the database, the newest first. Those of the settings are not among them."""

    keys: list[KeyInfo]
    limit: int
    offset: int


class KeyWish(BaseModel):
    """A new key; without an `owner` it reaches only what it makes itself. The budget is in USD a month."""

    name: Name
    tier: Tier = Tier.FREE
    owner: Name | None = None
    scopes: Annotated[set[Scope], Field(min_length=1)] = set(USUAL_SCOPES)
    monthly_budget: Annotated[float | None, Field(ge=0.01, le=1e9, allow_inf_nan=False)] = None


class MadeKey(KeyInfo):
    """The new key; `key` is its text, shown only now."""

    key: str


class KeyRevoked(BaseModel):
    """It is refused from the next request on, and its sessions end within five seconds."""

    status: Literal["success"] = "success"
    id: str


def key_routes(context: RestContext) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/keys", tags=["keys"])
    admin = Annotated[Caller, Depends(identifier(context, Scope.ADMIN, counted=False))]

    @router.post("")
    async def create_key(wish: KeyWish, caller: admin) -> MadeKey:
        """Make a key. The first one turns authentication on."""
        record, key = await context.keys.create(
            NewKey(wish.name, wish.tier, wish.owner, frozenset(wish.scopes), wish.monthly_budget)
        )
        return MadeKey(**_info(record).model_dump(), key=key)

    @router.get("")
    async def list_keys(caller: admin, limit: Limit = 50, offset: Offset = 0) -> KeyList:
        """Every key of the database, revoked ones too."""
        records = await context.keys.newest(limit, offset)
        return KeyList(keys=[_info(one) for one in records], limit=limit, offset=offset)

    @router.delete("/{key_id}")
    async def revoke_key(key_id: PathName, caller: admin) -> KeyRevoked:
        """Revoke a key, by its id or its name."""
        await context.keys.revoke(key_id)
        return KeyRevoked(id=key_id)

    return router


def _info(record: KeyRecord) -> KeyInfo:
    return KeyInfo(
        id=record.id,
        name=record.name,
        tier=Tier(record.tier),
        scopes=[Scope(one) for one in record.scopes],
        owner=record.owner,
        ends_in=record.hint,
        monthly_budget=record.monthly_budget,
        created_at=moment(record.created_at_ms),
        last_used_at=_moment(record.last_used_at_ms),
        revoked_at=_moment(record.revoked_at_ms),
    )


def _moment(at_ms: int | None) -> str | None:
    return None if at_ms is None else moment(at_ms)
