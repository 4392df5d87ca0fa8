"""What could not be granted of a caller's wishes, to be told."""

from voice_server.errors import ProtocolError


class Notes:
    """Those of one application of wishes, in order; a strict server refuses instead."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._sentences: list[str] = []

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(self._sentences)

    def concede(self, sentence: str) -> None:
        """Something else serves than what was wished for.

        Raises:
            ProtocolError: the server is strict.
        """
        if self._strict:
            raise ProtocolError(sentence[0].upper() + sentence[1:], code="not_configured")
        self._sentences.append(sentence)

    def tell(self, sentence: str) -> None:
        """Something that the caller should know, and that is nothing to refuse."""
        self._sentences.append(sentence)
