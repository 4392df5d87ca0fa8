"""pipecat: its FastAPI WebSocket transport (the other takes one caller only), raw PCM, null services.

As favourable as it can be: no RTVI, no turn tracking, no metrics, no smart-turn model, no transcript
messages, no protobuf.
"""

import json
import time

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    InputAudioRawFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.services.llm_service import LLMService
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from voice_server.bench import work

TASK = work.task()
logger.remove()


class Raw(FrameSerializer):
    async def serialize(self, frame):
        if isinstance(frame, OutputAudioRawFrame):
            return frame.audio
        return '{"type":"interrupted"}' if isinstance(frame, InterruptionFrame) else None

    async def deserialize(self, data):
        if isinstance(data, bytes):
            return InputAudioRawFrame(audio=data, sample_rate=work.IN_RATE_HZ, num_channels=1)
        if json.loads(data)["type"] == "begin":
            return VADUserStartedSpeakingFrame()
        return VADUserStoppedSpeakingFrame()


class Recognizer(SegmentedSTTService):
    wants_wav_segments = False

    async def run_stt(self, audio):
        yield TranscriptionFrame(await TASK.work.transcript(), "", str(time.time()))


class Writer(LLMService):
    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        async for token in TASK.work.tokens():
            await self.push_frame(LLMTextFrame(token))
        await self.push_frame(LLMFullResponseEndFrame())


class Speaker(TTSService):
    async def run_tts(self, text, context_id):
        async for chunk in TASK.work.speech():
            yield TTSAudioRawFrame(chunk, work.OUT_RATE_HZ, 1, context_id=context_id)


def detector():
    if not TASK.uses_vad:
        return None
    params = VADParams(
        confidence=work.VAD_THRESHOLD,
        start_secs=work.VAD_START_S,
        stop_secs=work.VAD_STOP_S,
        min_volume=0.0,
    )
    return SileroVADAnalyzer(params=params)


app = FastAPI()


@app.websocket("/")
async def live(socket: WebSocket):
    await socket.accept()
    params = FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=Raw())
    transport = FastAPIWebsocketTransport(socket, params)
    turns = UserTurnStrategies(
        start=[VADUserTurnStartStrategy()],
        stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.0)],
    )
    user, assistant = LLMContextAggregatorPair(
        LLMContext(),
        user_params=LLMUserAggregatorParams(vad_analyzer=detector(), user_turn_strategies=turns),
    )
    pipeline = Pipeline(
        [
            transport.input(),
            Recognizer(ttfs_p99_latency=0.0, trailing_silence_secs=0.0),
            user,
            Writer(),
            Speaker(push_start_frame=True, push_stop_frames=True, sample_rate=work.OUT_RATE_HZ),
            transport.output(),
            assistant,
        ]
    )
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(audio_in_sample_rate=work.IN_RATE_HZ, audio_out_sample_rate=work.OUT_RATE_HZ),
        enable_rtvi=False,
        enable_turn_tracking=False,
        idle_timeout_secs=None,
    )

    @worker.event_handler("on_pipeline_started")
    async def started(*_):
        await socket.send_text('{"type":"ready"}')

    @transport.event_handler("on_client_disconnected")
    async def gone(*_):
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


uvicorn.run(
    app,
    host="127.0.0.1",
    port=TASK.port,
    log_level="error",
    loop="uvloop",
    ws="websockets-sansio",
    ws_per_message_deflate=False,
)
