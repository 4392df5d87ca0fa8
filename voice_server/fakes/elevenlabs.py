"""ElevenLabs on loopback: speech by HTTP and by multi-context WebSocket, Scribe on clips and in real time.

Source of the wire: the vendor's SDK, whose own types read every HTTP answer given here, and whose realtime
client speaks to the WebSocket of Scribe; the messages of the multi-context socket are among its types too.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from voice_server.fakes.asgi import GARBAGE, AsgiFake, Exchange, Link
from voice_server.fakes.form import fields_of
from voice_server.fakes.script import STATUS, Call, Fault, Script

LEAST_COMMIT_BYTES = 9_600  # 300 ms at 16 kHz
_WORD_BYTES = 16_000  # of audio, after which the next word is understood
_BYTES_PER_MS = 48
_PART_BYTES = 1_001  # samples are split
VOICES = (("v1", "Ada", "female"), ("v2", "Bob", "male"))


class FakeElevenLabs(AsgiFake):
    """`script.words` are what is heard in any speech; `voices` those of the account."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self.voices: tuple[tuple[str, str, str], ...] = VOICES

    async def http(self, exchange: Exchange) -> None:
        match exchange.path.strip("/").split("/"):
            case ["v1", "text-to-speech", voice, "stream"]:
                body = exchange.json
                call = Call(
                    _key(exchange.headers), body["model_id"], text=body["text"], voice=voice, raw=body
                )
                await exchange.play(
                    self.seen, call, self.script, "audio/pcm", _parts(self.script.sound_of(call.text))
                )
            case ["v1", "speech-to-text"]:
                await self._transcribe(exchange)
            case ["v2", "voices"]:
                answer = self._page(exchange.query)
                call = Call(_key(exchange.headers), raw={"path": exchange.path})
                await exchange.play(
                    self.seen, call, self.script, "application/json", _halves(json.dumps(answer).encode())
                )
            case _:
                await exchange.answer(404, b'{"detail": {"status": "not_found"}}', "application/json")

    async def websocket(self, link: Link) -> None:
        match link.path.strip("/").split("/"):
            case ["v1", "text-to-speech", voice, "multi-stream-input"]:
                await _Contexts(self, link, voice).run()
            case _:
                await _Scribe(self, link).run()

    def _page(self, query: str) -> dict[str, Any]:
        wished = parse_qs(query)
        start = int(wished.get("next_page_token", ["0"])[0])
        end = start + int(wished["page_size"][0])
        voices = [
            {"voice_id": voice, "name": name, "labels": {"gender": gender}}
            for voice, name, gender in self.voices[start:end]
        ]
        has_more = end < len(self.voices)
        rest = {"has_more": has_more, "next_page_token": str(end) if has_more else None}
        return {"voices": voices, "total_count": len(self.voices), **rest}

    async def _transcribe(self, exchange: Exchange) -> None:
        fields = fields_of(exchange)
        self.seen.hear(len(fields["file"]))
        language = fields.get("language_code", b"").decode() or None
        call = Call(_key(exchange.headers), fields["model_id"].decode(), language)
        words = [
            {"text": word.strip(), "type": "word", "start": 0.0, "end": 0.1, "logprob": -0.1}
            for word in self.script.words
        ]
        answer = {
            "language_code": language or self.script.language or "eng",
            "language_probability": 1.0,
            "text": self.script.text,
            "words": words,
        }
        await exchange.play(
            self.seen, call, self.script, "application/json", _halves(json.dumps(answer).encode())
        )


class _Contexts:
    """One socket of speech; a context is a call."""

    def __init__(self, fake: FakeElevenLabs, link: Link, voice: str) -> None:
        self._fake, self._link, self._voice = fake, link, voice
        self._script, self._seen = fake.script, fake.seen
        query = parse_qs(link.query)
        self._model = query["model_id"][0]
        self._is_aligned = query.get("sync_alignment") == ["true"]
        self._texts: dict[str, str] = {}

    async def run(self) -> None:
        fault = self._script.fault
        if fault in STATUS:
            self._seen.begin(self._call(""))
            await self._link.refuse(fault)
            self._seen.end()
            return
        await self._link.accept()
        while (message := await self._link.receive()) is not None:
            name = message["context_id"]
            self._texts[name] = self._texts.get(name, "") + (message.get("text") or "")
            if message.get("close_context") and not await self._speak(name, self._texts.pop(name).strip()):
                return

    def _call(self, text: str) -> Call:
        return Call(_key(self._link.headers), self._model, text=text, voice=self._voice)

    async def _speak(self, name: str, text: str) -> bool:
        """Whether to go on."""
        self._seen.begin(self._call(text))
        is_abandoned = False
        try:
            if self._script.fault is Fault.GARBAGE:
                await self._link.send_text(GARBAGE.decode())
            elif self._script.fault is Fault.HANG:
                is_abandoned = await _left(self._link)
            else:
                sound = self._script.sound_of(text)
                for start in range(0, len(sound), _PART_BYTES):
                    part = sound[start : start + _PART_BYTES]
                    audio = base64.b64encode(part).decode()
                    answer = {"audio": audio, "isFinal": None, "contextId": name}
                    await self._link.send({**answer, "alignment": self._alignment(text, start)})
                    if self._script.fault is Fault.DROP:
                        await self._link.close(1011)
                        return False
                    if self._script.fault is Fault.STALL:
                        is_abandoned = await _left(self._link)
                        return False
                await self._link.send({"audio": None, "isFinal": True, "contextId": name})
        finally:
            self._seen.end(abandoned=is_abandoned)
        return not is_abandoned

    def _alignment(self, text: str, start: int) -> dict[str, Any] | None:
        """Of the characters that end in the part from `start` on, with times within it."""
        each = self._script.tone_bytes_per_character
        first, end = start // each, min(start + _PART_BYTES, len(text) * each) // each
        if not self._is_aligned or first == end:
            return None
        begins = [max(index * each - start, 0) for index in range(first, end)]
        ends = [(index + 1) * each - start for index in range(first, end)]
        return {
            "chars": list(text[first:end]),
            "charStartTimesMs": [at // _BYTES_PER_MS for at in begins],
            "charDurationsMs": [(end - at) // _BYTES_PER_MS for at, end in zip(begins, ends, strict=True)],
        }


class _Scribe:
    """One socket of recognition in real time."""

    def __init__(self, fake: FakeElevenLabs, link: Link) -> None:
        self._link = link
        self._script, self._seen = fake.script, fake.seen
        self._bytes = 0
        self._words = 0
        # Something was heard that no commit has answered; a server that hangs owes everything.
        self._is_owed = self._script.fault is Fault.HANG

    async def run(self) -> None:
        query = {name: values[0] for name, values in parse_qs(self._link.query).items()}
        call = Call(_key(self._link.headers), query["model_id"], query.get("language_code"), raw=query)
        fault = self._script.fault
        self._seen.begin(call)
        try:
            if fault in STATUS:
                await self._link.refuse(fault)
                return
            await self._link.accept()
            await self._say("session_started", session_id="s", config={})
            if fault is Fault.GARBAGE:
                await self._link.send_text(GARBAGE.decode())
            while (message := await self._link.receive()) is not None:
                if not await self._hear(message):
                    return
        finally:
            self._seen.end(abandoned=self._is_owed)

    async def _hear(self, message: Mapping[str, Any]) -> bool:
        """Whether to go on."""
        pcm = base64.b64decode(message["audio_base_64"])
        self._seen.hear(len(pcm))
        self._bytes += len(pcm)
        self._is_owed = self._is_owed or bool(pcm)
        if self._script.fault is Fault.HANG:
            return True
        while self._words < min(len(self._script.words), self._bytes // _WORD_BYTES):
            if self._words and self._script.fault is Fault.STALL:
                return True
            self._words += 1
            await self._say("partial_transcript", text="".join(self._script.words[: self._words]))
            if self._script.fault is Fault.DROP:
                self._is_owed = False
                await self._link.close(1011)
                return False
        if message["commit"]:
            await self._commit()
        return True

    async def _commit(self) -> None:
        if self._bytes < LEAST_COMMIT_BYTES:
            await self._say("commit_throttled", error="Commit needs at least 0.3s of uncommitted audio.")
            return
        self._bytes = self._words = 0
        self._is_owed = False
        await self._say("committed_transcript", text=self._script.text)

    async def _say(self, kind: str, **fields: Any) -> None:
        await self._link.send({"message_type": kind, **fields})


async def _left(link: Link) -> bool:
    while await link.receive() is not None:
        pass
    return True


def _parts(sound: bytes) -> list[bytes]:
    return [sound[start : start + _PART_BYTES] for start in range(0, len(sound), _PART_BYTES)]


def _halves(answer: bytes) -> list[bytes]:
    return [answer[:10], answer[10:]]


def _key(headers: Mapping[str, str]) -> str | None:
    return headers.get("xi-api-key")
