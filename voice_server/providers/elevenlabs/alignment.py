"""When the words of one text are spoken, from the times of characters that come with its audio."""

from collections.abc import Mapping
from typing import Any

from voice_server.audio.format import duration_ms
from voice_server.core.playout import whole_words
from voice_server.providers.base import Marks


class Alignment:
    """Follows the answers to one text in their order. `audio_ms`: how much audio they had."""

    def __init__(self, text: str, rate_hz: int) -> None:
        self._text = text
        self._rate_hz = rate_hz
        self._char = 0
        self._aligned_ms = 0.0
        self.audio_ms = 0.0

    def marks(self, told: Mapping[str, Any], audio_bytes: int) -> Marks:
        """Where words end that are in the next answer, which is `told` about so much audio."""
        # Times count from the beginning of their own answer. Its characters may reach beyond its audio, and
        # the pause at the end of some audio has none.
        start_ms = max(self._aligned_ms, self.audio_ms)
        self.audio_ms += duration_ms(audio_bytes, self._rate_hz)
        marks: list[tuple[float, int]] = []
        for char, at_ms, lasts_ms in zip(
            told.get("chars") or (),
            told.get("charStartTimesMs") or (),
            told.get("charDurationsMs") or (),
            strict=False,
        ):
            if not char.isspace():  # some are ours, around the text
                rest = self._text[self._char :].lstrip()
                if not rest.startswith(char):
                    break  # an answer may begin anew at words that were told before
                self._char = len(self._text) - len(rest) + len(char)
                if len(whole_words(self._text, self._char)) == self._char:
                    marks.append((start_ms + at_ms + lasts_ms, self._char))
            self._aligned_ms = start_ms + at_ms + lasts_ms
        return tuple(marks)
