"""OpenAI on loopback: chat completions, transcriptions, speech, and transcription over a WebSocket.

Also what an OpenAI-compatible server is. Source of the wire: the vendor's SDK, whose own types read every
answer given here.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from voice_server.fakes.asgi import GARBAGE, AsgiFake, Exchange, Link
from voice_server.fakes.form import fields_of
from voice_server.fakes.script import STATUS, Call, Fault

_LEAST_COMMIT_BYTES = 4800  # 100 ms at 24 kHz
_WORD_BYTES = 24_000  # of audio, after which the next word is understood
_HEARD = "conversation.item.input_audio_transcription"


class FakeOpenAi(AsgiFake):
    """`script.words` are the reply's deltas, and what is heard in any speech. A tool is asked for once."""

    async def http(self, exchange: Exchange) -> None:
        match exchange.path:
            case "/v1/chat/completions":
                await self._chat(exchange)
            case "/v1/embeddings":
                await self._embed(exchange)
            case "/v1/audio/transcriptions":
                await self._transcribe(exchange)
            case "/v1/audio/speech":
                await self._speak(exchange)
            case _:
                await exchange.answer(404, b'{"error": {"message": "no such path"}}', "application/json")

    async def websocket(self, link: Link) -> None:
        await _Transcription(self, link).run()

    async def _chat(self, exchange: Exchange) -> None:
        body = exchange.json
        call = Call(_key(exchange.headers), body["model"], raw=body)
        events = [_delta({"role": "assistant", "content": word}) for word in self.script.words]
        is_answered = body["messages"][-1]["role"] == "tool"
        uses = () if is_answered else self.script.tool_uses
        for index, use in enumerate(uses):
            half = len(use.arguments) // 2
            first = {"name": use.name, "arguments": use.arguments[:half]}
            events.append(
                _delta(
                    {
                        "tool_calls": [
                            {"index": index, "id": use.call_id, "type": "function", "function": first}
                        ]
                    }
                )
            )
            rest = {"arguments": use.arguments[half:]}
            events.append(_delta({"tool_calls": [{"index": index, "function": rest}]}))
        events.append(_delta({}, "tool_calls" if uses else "stop"))
        if body.get("stream_options", {}).get("include_usage"):
            usage = {
                "prompt_tokens": self.script.prompt_tokens,
                "completion_tokens": self.script.completion_tokens,
                "total_tokens": self.script.prompt_tokens + self.script.completion_tokens,
            }
            events.append(_event({**_CHUNK, "choices": [], "usage": usage}))
        events.append(b"data: [DONE]\n\n")
        await exchange.play(self.seen, call, self.script, "text/event-stream", events)

    async def _embed(self, exchange: Exchange) -> None:
        """A vector of the length that was wished for, as long as its text; in no order."""
        body = exchange.json
        call = Call(_key(exchange.headers), body["model"], raw=body)
        data = [
            {"object": "embedding", "index": index, "embedding": [len(text)] + [0] * (body["dimensions"] - 1)}
            for index, text in enumerate(body["input"])
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        answer = {"object": "list", "model": body["model"], "data": data[::-1], "usage": usage}
        await exchange.play(self.seen, call, self.script, "application/json", [json.dumps(answer).encode()])

    async def _transcribe(self, exchange: Exchange) -> None:
        fields = fields_of(exchange)
        wav = fields["file"]
        self.seen.hear(len(wav) - 44)
        words = {name.removesuffix("[]"): value.decode() for name, value in fields.items() if name != "file"}
        call = Call(_key(exchange.headers), words["model"], _language(words))
        told = {
            "text": self.script.text,
            "languages": _found(self.script.language),
            "usage": {"type": "duration", "seconds": 1},
        }
        answer = json.dumps(told).encode()
        await exchange.play(self.seen, call, self.script, "application/json", [answer[:10], answer[10:]])

    async def _speak(self, exchange: Exchange) -> None:
        body = exchange.json
        call = Call(_key(exchange.headers), body["model"], text=body["input"], voice=body["voice"], raw=body)
        sound = self.script.sound_of(call.text)
        pieces = [sound[start : start + 1001] for start in range(0, len(sound), 1001)]  # samples are split
        await exchange.play(self.seen, call, self.script, "audio/pcm", pieces)


class _Transcription:
    """One socket."""

    def __init__(self, fake: FakeOpenAi, link: Link) -> None:
        self._link = link
        self._script, self._seen = fake.script, fake.seen
        self._item = 0
        self._item_bytes = 0
        self._item_words = 0
        self._is_owed = False  # something was heard that no `completed` has answered

    async def run(self) -> None:
        fault = self._script.fault
        if fault in STATUS:
            self._begin({})
            await self._link.refuse(fault)
            self._seen.end()
            return
        await self._link.accept()
        await self._send("session.created", session={"type": "transcription"})
        has_begun = False
        try:
            while (event := await self._link.receive()) is not None:
                if event["type"] == "session.update":
                    has_begun = True
                    self._begin(event["session"])
                    if fault is Fault.GARBAGE:
                        await self._link.send_text(GARBAGE.decode())
                    await self._send("session.updated", session=event["session"])
                elif not await self._hear(event):
                    return
        finally:
            if has_begun:
                self._seen.end(abandoned=self._is_owed)

    def _begin(self, session: Mapping[str, Any]) -> None:
        about = session.get("audio", {}).get("input", {}).get("transcription", {})
        self._seen.begin(
            Call(_key(self._link.headers), about.get("model"), _language(about), raw=dict(session))
        )

    async def _hear(self, event: Mapping[str, Any]) -> bool:
        """Whether to go on."""
        match event["type"]:
            case "input_audio_buffer.append":
                pcm = base64.b64decode(event["audio"])
                self._seen.hear(len(pcm))
                self._item_bytes += len(pcm)
                self._is_owed = True
                if self._script.fault is Fault.HANG:
                    return True
                while self._item_words < min(len(self._script.words), self._item_bytes // _WORD_BYTES):
                    if self._item_words and self._script.fault is Fault.STALL:
                        return True
                    await self._word()
                    if self._script.fault is Fault.DROP:
                        await self._link.close(1011)
                        self._is_owed = False
                        return False
            case "input_audio_buffer.commit" if self._item_bytes < _LEAST_COMMIT_BYTES:
                error = {"type": "invalid_request_error", "code": "input_audio_buffer_commit_empty"}
                await self._send("error", error={**error, "message": "buffer too small"})
            case "input_audio_buffer.commit" if self._script.fault not in (Fault.HANG, Fault.STALL):
                item_id = self._item_id
                await self._send("input_audio_buffer.committed", item_id=item_id, previous_item_id=None)
                while self._item_words < len(self._script.words):
                    await self._word()
                await self._send(
                    f"{_HEARD}.completed",
                    item_id=item_id,
                    content_index=0,
                    transcript=self._script.text,
                    languages=_found(self._script.language),
                )
                self._item += 1
                self._item_bytes = self._item_words = 0
                self._is_owed = False
            case _:
                pass
        return True

    @property
    def _item_id(self) -> str:
        return f"item_{self._item}"

    async def _word(self) -> None:
        word = self._script.words[self._item_words]
        self._item_words += 1
        await self._send(f"{_HEARD}.delta", item_id=self._item_id, content_index=0, delta=word)

    async def _send(self, kind: str, **fields: Any) -> None:
        await self._link.send({"type": kind, "event_id": "event", **fields})


_CHUNK = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "fake"}


def _delta(delta: Mapping[str, Any], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return _event({**_CHUNK, "choices": [choice]})


def _event(data: Mapping[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def _found(language: str | None) -> list[dict[str, str]]:
    return [] if language is None else [{"code": language}]


def _language(about: Mapping[str, Any]) -> str | None:
    """The hint, in the field in which the model looks for it."""
    if about.get("model") in ("gpt-transcribe", "gpt-live-transcribe"):
        hinted = about.get("languages")
        return hinted[0] if isinstance(hinted, list) else hinted
    return about.get("language")


def _key(headers: Mapping[str, str]) -> str | None:
    return headers.get("authorization", "").removeprefix("Bearer ") or None
