"""Bare `websockets`, no framework: what no server can do without. No validation, no history, no error paths.

Silero is asked for all sessions at once, every 10 ms, on the thread of the loop.
"""

import asyncio
import json
import os

import numpy as np
import onnxruntime
import uvloop
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from voice_server.bench import work

WINDOW, CONTEXT, MOST_AT_ONCE = 512, 64, 64


class Talk:
    """One session."""

    def __init__(self, socket, task):
        self.socket, self.work = socket, task.work
        self.reply = None
        # What the voice activity detector keeps of it.
        self.pending = bytearray()
        self.context = np.zeros(CONTEXT, np.float32)
        self.memory = np.zeros((2, 128), np.float32)
        self.is_voiced, self.run = False, 0

    def begin(self):
        if self.reply is not None and not self.reply.done():
            self.reply.cancel()
            self.note = asyncio.ensure_future(self.socket.send('{"type":"interrupted"}'))

    def end(self):
        self.reply = asyncio.ensure_future(self.answer())

    async def answer(self):
        try:
            text = await self.work.transcript()
            await self.socket.send(json.dumps({"type": "transcription", "text": text}))
            sentences = asyncio.Queue()
            writing = asyncio.ensure_future(self.write(sentences))
            try:
                while await sentences.get() is not None:
                    async for chunk in self.work.speech():
                        await self.socket.send(chunk)
            finally:
                writing.cancel()
            await asyncio.sleep(work.REPLY_S)  # until it is heard it can be interrupted
        except ConnectionClosed:
            pass

    async def write(self, sentences):
        sentence = ""
        async for token in self.work.tokens():
            sentence += token
            if token.endswith("."):
                sentences.put_nowait(sentence)
                sentence = ""
        sentences.put_nowait(None)


class Detector:
    """Voice activity of all sessions."""

    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.model = onnxruntime.InferenceSession(os.environ["SILERO_ONNX"], options)
        self.rate = np.array(work.IN_RATE_HZ, np.int64)
        self.talks = set()

    async def watch(self):
        while True:
            await asyncio.sleep(0.010)
            ready = [talk for talk in self.talks if len(talk.pending) >= 2 * WINDOW]
            for at in range(0, len(ready), MOST_AT_ONCE):
                self.judge(ready[at : at + MOST_AT_ONCE])

    def judge(self, talks):
        heard = np.stack([np.frombuffer(bytes(talk.pending[: 2 * WINDOW]), "<i2") for talk in talks])
        heard = heard.astype(np.float32) / 32_768
        given = np.concatenate([np.stack([talk.context for talk in talks]), heard], axis=1)
        memory = np.stack([talk.memory for talk in talks], axis=1)
        voiced, memory = self.model.run(None, {"input": given, "state": memory, "sr": self.rate})
        for row, talk in enumerate(talks):
            del talk.pending[: 2 * WINDOW]
            talk.context, talk.memory = given[row, -CONTEXT:].copy(), memory[:, row].copy()
            self.follow(talk, bool(voiced[row, 0] >= work.VAD_THRESHOLD))

    def follow(self, talk, is_voiced):
        talk.run = talk.run + 1 if is_voiced != talk.is_voiced else 0
        needed_s = work.VAD_STOP_S if talk.is_voiced else work.VAD_START_S
        if talk.run * WINDOW / work.IN_RATE_HZ >= needed_s - 0.016:  # the nearest whole window
            talk.is_voiced, talk.run = is_voiced, 0
            (talk.begin if is_voiced else talk.end)()


async def main(task):
    detector = Detector() if task.uses_vad else None

    async def live(socket):
        talk = Talk(socket, task)
        if detector is not None:
            detector.talks.add(talk)
        try:
            await socket.send('{"type":"ready"}')
            async for message in socket:
                if isinstance(message, bytes):
                    if detector is not None:
                        talk.pending += message
                elif json.loads(message)["type"] == "begin":
                    talk.begin()
                else:
                    talk.end()
        except ConnectionClosed:
            pass
        finally:
            if detector is not None:
                detector.talks.discard(talk)
            if talk.reply is not None:
                talk.reply.cancel()

    if detector is not None:
        detector.watching = asyncio.ensure_future(detector.watch())
    async with serve(live, "127.0.0.1", task.port, compression=None, backlog=512):
        await asyncio.Future()


uvloop.run(main(work.task()))
