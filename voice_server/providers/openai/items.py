"""What one utterance has become on the vendor's side: an item for each commit, understood in any order."""

from dataclasses import dataclass

from voice_server.providers.heard import joined


@dataclass(slots=True)
class _Item:
    text: str = ""
    is_complete: bool = False


class Items:
    """Items in the order in which they were first heard of, and the marks that wait for them."""

    def __init__(self) -> None:
        self._items: dict[str, _Item] = {}
        self._committed: list[str] = []
        self._commits = 0
        self._asked: list[tuple[int, int]] = []  # a mark, and the commits it waits for

    def commit(self) -> None:
        """A commit goes out."""
        self._commits += 1

    def ask(self, mark: int) -> None:
        """A mark wants everything committed so far."""
        self._asked.append((mark, self._commits))

    def committed(self, item_id: str) -> None:
        """The vendor has named the item of the next commit."""
        self._items.setdefault(item_id, _Item())
        if item_id not in self._committed:
            self._committed.append(item_id)

    def add(self, item_id: str, delta: str) -> None:
        """A few words more; some models give them before the commit."""
        item = self._items.setdefault(item_id, _Item())
        if not item.is_complete:
            item.text += delta

    def complete(self, item_id: str, text: str) -> None:
        """All that the item says; replaces its pieces."""
        self.committed(item_id)  # not every server says so itself
        self._items[item_id] = _Item(text, is_complete=True)

    def answered(self) -> list[int]:
        """The marks that wait no longer; each is given once."""
        ready = [mark for mark, commits in self._asked if self._has(commits)]
        self._asked = [one for one in self._asked if one[0] not in ready]
        return ready

    def text(self, language: str | None) -> str:
        """Everything heard so far."""
        return joined([item.text for item in self._items.values()], language)

    def _has(self, commits: int) -> bool:
        first = self._committed[:commits]
        return len(first) == commits and all(self._items[one].is_complete for one in first)
