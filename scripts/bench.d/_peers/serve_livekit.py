"""livekit-agents: one AgentSession a socket with audio in and out of our own, no room, all in one process.

As favourable as it can be: one Silero session for all, echo warm-up, resuming after false interruptions,
adaptive turn detection and recording are off.
"""

import asyncio
import json
import logging
import time
from contextlib import suppress

import uvloop
from livekit import rtc
from livekit.agents import Agent, AgentSession, llm, stt, tts, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN
from livekit.agents.voice import io
from livekit.plugins import silero
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from voice_server.bench import work

TASK = work.task()
logging.basicConfig(level=logging.ERROR)


class Recognition(stt.RecognizeStream):
    async def _run(self):
        async for item in self._input_ch:
            if isinstance(item, self._FlushSentinel):
                heard = stt.SpeechData(language="en", text=await TASK.work.transcript())
                final = stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[heard])
                self._event_ch.send_nowait(final)


class Recognizer(stt.STT):
    def __init__(self):
        super().__init__(
            capabilities=stt.STTCapabilities(streaming=True, interim_results=False, manual_flush=True)
        )

    async def _recognize_impl(self, *args, **options):
        # The base class demands this for whole recordings; a session with a stream never asks for it.
        raise AssertionError("only streams are recognised here")

    def stream(self, *, language=NOT_GIVEN, conn_options=DEFAULT_API_CONNECT_OPTIONS):
        return Recognition(stt=self, conn_options=conn_options)


class Writing(llm.LLMStream):
    async def _run(self):
        async for token in TASK.work.tokens():
            delta = llm.ChoiceDelta(role="assistant", content=token)
            self._event_ch.send_nowait(llm.ChatChunk(id="reply", delta=delta))


class Writer(llm.LLM):
    def chat(self, *, chat_ctx, tools=None, conn_options=DEFAULT_API_CONNECT_OPTIONS, **_):
        return Writing(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class Speaking(tts.ChunkedStream):
    async def _run(self, emitter):
        emitter.initialize(
            request_id=utils.shortuuid(), sample_rate=work.OUT_RATE_HZ, num_channels=1, mime_type="audio/pcm"
        )
        async for chunk in TASK.work.speech():
            emitter.push(chunk)
        emitter.flush()


class Speaker(tts.TTS):
    def __init__(self):
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False), sample_rate=work.OUT_RATE_HZ, num_channels=1
        )

    def synthesize(self, text, *, conn_options=DEFAULT_API_CONNECT_OPTIONS):
        return Speaking(tts=self, input_text=text, conn_options=conn_options)


class Microphone(io.AudioInput):
    def __init__(self):
        super().__init__(label="socket")
        self.frames = asyncio.Queue()

    async def __anext__(self):
        if (frame := await self.frames.get()) is None:
            raise StopAsyncIteration
        return frame


class Loudspeaker(io.AudioOutput):
    """Sends at once; the end of playback is a timer, as a bridge to telephones has it."""

    def __init__(self, socket):
        super().__init__(
            label="socket", sample_rate=work.OUT_RATE_HZ, capabilities=io.AudioOutputCapabilities(pause=False)
        )
        self.socket = socket
        self.sent_s = self.began_s = 0.0
        self.timer = None

    async def capture_frame(self, frame):
        await super().capture_frame(frame)
        if not self.sent_s:
            self.began_s = time.time()
            self.on_playback_started(created_at=self.began_s)
        self.sent_s += frame.duration
        with suppress(ConnectionClosed):
            await self.socket.send(bytes(frame.data))

    def flush(self):
        super().flush()
        if self.sent_s:
            left_s = max(0.0, self.began_s + self.sent_s - time.time())
            self.timer = asyncio.get_running_loop().call_later(left_s, self.finish, False)

    def clear_buffer(self):
        if self.sent_s:
            self.note = asyncio.ensure_future(self.socket.send('{"type":"interrupted"}'))
            if self.timer is not None:
                self.timer.cancel()
            self.finish(True)

    def finish(self, is_interrupted):
        played_s = min(self.sent_s, time.time() - self.began_s)
        self.sent_s, self.timer = 0.0, None
        self.on_playback_finished(playback_position=played_s, interrupted=is_interrupted)


def detector():
    if not TASK.uses_vad:
        return None
    return silero.VAD.load(
        min_speech_duration=work.VAD_START_S,
        min_silence_duration=work.VAD_STOP_S,
        activation_threshold=work.VAD_THRESHOLD,
        deactivation_threshold=work.VAD_THRESHOLD,
    )


async def main():
    vad = detector()

    async def live(socket):
        session = AgentSession(
            stt=Recognizer(),
            llm=Writer(),
            tts=Speaker(),
            vad=vad,
            turn_handling={
                "turn_detection": "vad" if vad else "manual",
                "endpointing": {"mode": "fixed", "min_delay": 0.0, "max_delay": 3.0},
                "interruption": {
                    "mode": "vad",
                    "min_duration": work.VAD_START_S,
                    "resume_false_interruption": False,
                    "false_interruption_timeout": None,
                },
            },
            aec_warmup_duration=None,
            user_away_timeout=None,
        )
        microphone = session.input.audio = Microphone()
        session.output.audio = Loudspeaker(socket)
        await session.start(Agent(instructions="You are a helpful assistant."), record=False)
        await socket.send('{"type":"ready"}')
        committing = set()
        try:
            async for message in socket:
                if isinstance(message, bytes):
                    frame = rtc.AudioFrame(message, work.IN_RATE_HZ, 1, len(message) // 2)
                    microphone.frames.put_nowait(frame)
                elif json.loads(message)["type"] == "begin":
                    await session.interrupt()
                    session.clear_user_turn()
                else:
                    committing = {session.commit_user_turn(stt_flush_duration=0.0)}
        except ConnectionClosed:
            pass
        microphone.frames.put_nowait(None)
        committing.clear()
        await session.aclose()

    async with serve(live, "127.0.0.1", TASK.port, compression=None, backlog=512):
        await asyncio.Future()


uvloop.run(main())
