"""The models that tell when somebody speaks and when they have finished."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from voice_server.audio.end_of_turn import SmartTurn
from voice_server.audio.voice_activity import SileroVad
from voice_server.providers.local.weights import WeightStore
from voice_server.session.shared_vad import SharedVad


class Judges:
    """One of each for all sessions: `vad` on the event loop, the end of turn in a thread of its own."""

    def __init__(self, weights: WeightStore) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="end-of-turn")
        self._silero = SileroVad(weights.path("silero-vad"))
        self._smart_turn = SmartTurn(weights.path("smart-turn"))
        self.vad = SharedVad(self._silero)

    async def score(self, pcm: bytes) -> float:
        """How finished an utterance sounds (PCM16 16 kHz)."""
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._smart_turn.probability, pcm
        )

    def close(self) -> None:
        """Let go of the models: longer than a server lives may somebody still refer to it."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._smart_turn.close()
        self._silero.close()
