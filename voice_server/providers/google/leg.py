"""One recognition call of an utterance, and the audio it has not yet turned into words for good."""

from voice_server.audio.format import STT_RATE_HZ, bytes_of_ms
from voice_server.providers.google.recognizer import Result


class Leg:
    """What one call was sent and has answered.

    `open_audio` is what no final result covers: another call must hear it again if this one ends before its
    time. Finals end in pauses, so nothing heard again was cut in the middle of a word.
    """

    def __init__(self) -> None:
        self.finals: list[Result] = []
        self.interim = ""
        self.open_audio = bytearray()
        self.sent_bytes = 0
        self.mark: int | None = None
        self.is_closed = False  # by us: the rest of the answer is the last
        self._covered_bytes = 0

    def send(self, pcm: bytes) -> None:
        """`pcm` is on its way."""
        self.open_audio += pcm
        self.sent_bytes += len(pcm)

    def hear(self, results: list[Result]) -> bool:
        """Take an answer in; returns whether it holds a final."""
        interims: list[str] = []
        for result in results:
            if not result.is_final:
                interims.append(result.text)
                continue
            self.finals.append(result)
            covered = min(bytes_of_ms(result.end_ms, STT_RATE_HZ), self.sent_bytes)
            if covered > self._covered_bytes:
                del self.open_audio[: covered - self._covered_bytes]
                self._covered_bytes = covered
        self.interim = "".join(interims)
        return any(result.is_final for result in results)

    def settle(self) -> None:
        """The call has ended in order: what it only supposed is all that will be known."""
        if self.interim:
            self.finals.append(Result(self.interim, True, 0.0, 0.0, None))
            self.interim = ""
        self.open_audio.clear()
