"""What a tier includes."""

import pytest

from voice_server.core.caller import Tier
from voice_server.services.features import FEATURES, is_enabled

ALL = {one.name for one in FEATURES}


@pytest.mark.parametrize(
    ("tier", "enabled"),
    [
        (Tier.FREE, {"voice_chat", "semantic_search"}),
        (Tier.BASIC, {"voice_chat", "semantic_search"}),
        (Tier.PRO, ALL),
        (Tier.ENTERPRISE, ALL),
        (None, ALL),
    ],
)
def test_a_better_tier_includes_more(tier: Tier | None, enabled: set[str]) -> None:
    assert {one.name for one in FEATURES if is_enabled(one, ALL, tier)} == enabled


def test_what_the_server_lacks_nobody_may_use() -> None:
    assert [one.name for one in FEATURES if is_enabled(one, {"voice_chat"}, None)] == ["voice_chat"]
