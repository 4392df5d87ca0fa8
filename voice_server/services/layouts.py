"""How a client may lay a reply out."""

from collections.abc import Mapping

LAYOUTS: Mapping[str, str] = {
    "simple": "Plain text",
    "text-highlight": "Text with its main point set off",
    "card-list": "A list of cards",
    "stacked-cards": "Cards on top of each other",
    "split": "Two things side by side",
    "code": "Source code",
    "chart": "A chart",
    "document": "A longer text with headings",
    "dashboard": "Several small views",
    "media": "Pictures, sound or video",
    "timeline": "Events in their order",
}
DEFAULT_LAYOUT = "simple"


def laid_out(wished: str, text: str) -> dict[str, object]:
    """The reply as the one component of a layout; an unknown layout is served as the default one."""
    layout = wished if wished in LAYOUTS else DEFAULT_LAYOUT
    return {
        "type": layout,
        "template": layout,
        "components": [{"type": "text", "options": {"content": text}}],
    }
