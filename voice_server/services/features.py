"""What a caller may use, by what the server has and what the key's tier includes."""

from collections.abc import Collection
from dataclasses import dataclass

from voice_server.core.caller import Tier

_TIERS = tuple(Tier)  # from least to most


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature and the least tier that includes it."""

    id: str
    name: str
    tier: Tier


FEATURES = (
    Feature("feature_1", "voice_chat", Tier.FREE),
    Feature("feature_2", "semantic_search", Tier.FREE),
    Feature("feature_3", "multi_agent", Tier.PRO),
)


def is_enabled(feature: Feature, installed: Collection[str], tier: Tier | None) -> bool:
    """Whether a caller of this tier may use it; without keys there are no tiers."""
    is_included = tier is None or _TIERS.index(tier) >= _TIERS.index(feature.tier)
    return feature.name in installed and is_included
