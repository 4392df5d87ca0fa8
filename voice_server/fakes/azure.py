"""Azure's speech service on loopback, as its native SDK speaks with it ("USP" over WebSocket).

The wire, as seen from the SDK:

    text frames     headers, an empty line, JSON or SSML; binary frames have the headers' length in front
    recognition     GET /speech/recognition/...?language=..; speech.config, speech.context, audio; an empty
                    audio ends the input. Back: turn.start, speech.hypothesis, speech.phrase, turn.end
    synthesis       GET /cognitiveservices/websocket/v1; speech.config, synthesis.context, ssml. Back:
                    turn.start, response, audio, audio.metadata with the times of words and of punctuation
                    (the SDK finds them in the text by itself), an empty audio, turn.end
    voices          GET /cognitiveservices/voices/list, plain HTTP
    keys            header Ocp-Apim-Subscription-Key
"""

import json
import re
import struct
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from voice_server.fakes.script import RETRY_AFTER_S, STATUS, Call, Fault, Script, Seen

VOICES = (
    ("en-US-AvaNeural", "Ava", "Female", "en-US"),
    ("de-DE-ConradNeural", "Conrad", "Male", "de-DE"),
)
_WORD_BYTES = 16_000
_SILENCE_BYTES = 320_000  # of audio without another word, after which it is said that nobody spoke
_PART_BYTES = 2_400
_TICKS_PER_S, _BYTES_PER_S, _VOICE_BYTES_PER_S = 10_000_000, 32_000, 48_000
_WORD = re.compile(r"(\w+)|[^\w\s]")
_VOICE_TAG = "{http://www.w3.org/2001/10/synthesis}voice"


class FakeAzure:
    """`script.words` are what is heard in any speech."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.seen = Seen()
        self._server: Server | None = None

    @property
    def address(self) -> str:
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._talk,
            "127.0.0.1",
            0,
            process_request=self._request,
            compression=None,
            max_size=None,
            ping_interval=None,
            close_timeout=1,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _request(self, connection: ServerConnection, request: Request) -> Response | None:
        is_list = request.path.startswith("/cognitiveservices/voices/list")
        if (status := STATUS.get(self.script.fault or Fault.STALL)) is not None:
            self.seen.begin(Call(_key(request)))
            self.seen.end()
            refusal = connection.respond(HTTPStatus(status), "no")
            if status == HTTPStatus.TOO_MANY_REQUESTS:
                refusal.headers["Retry-After"] = str(RETRY_AFTER_S)
            return refusal
        if not is_list:
            return None
        self.seen.begin(Call(_key(request), raw={"path": request.path}))
        self.seen.end()
        body = json.dumps([_described(*voice) for voice in VOICES]).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.transport.write(head.encode() + body)
        # The SDK's HTTP client takes an answer only while the connection is still open.
        await connection.wait_closed()
        return None

    async def _talk(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        is_recognition = socket.request.path.startswith("/speech/")
        talk = _Recognition(self, socket) if is_recognition else _Synthesis(self, socket)
        try:
            async for message in socket:
                headers, body = _parse(message)
                if not await talk.take(headers["path"].lower(), headers.get("x-requestid", ""), body):
                    socket.transport.abort()
        except ConnectionClosed:
            pass
        finally:
            talk.leave()


class _Recognition:
    """One socket; the SDK may have several turns on it."""

    def __init__(self, fake: FakeAzure, socket: ServerConnection) -> None:
        assert socket.request is not None
        self._script, self._seen, self._socket = fake.script, fake.seen, socket
        language = parse_qs(urlsplit(socket.request.path).query).get("language", [None])[0]
        self._call = Call(_key(socket.request), language=language)
        self._turn = ""
        self._bytes = 0
        self._told_bytes = 0
        self._words = 0
        self._is_owed = False

    async def take(self, path: str, turn: str, body: Any) -> bool:
        """Whether to go on."""
        if path != "audio":
            return True
        if turn != self._turn:
            self._turn, self._bytes, self._told_bytes, self._words = turn, 0, 0, 0
            self._seen.begin(self._call)
            self._is_owed = True
            if self._script.fault is not Fault.HANG:
                await self._say("turn.start", {"context": {"serviceTag": "t"}})
        if self._script.fault is Fault.HANG:
            return True
        if self._script.fault is Fault.GARBAGE:
            await self._say("speech.phrase", "no object")
        is_header = body[:4] == b"RIFF"
        self._seen.hear(0 if is_header else len(body))
        self._bytes += 0 if is_header else len(body)
        while self._words < min(len(self._script.words), self._bytes // _WORD_BYTES):
            if self._words and self._script.fault is Fault.STALL:
                return True
            self._words += 1
            text = "".join(self._script.words[: self._words])
            await self._say("speech.hypothesis", {"Text": text, "Offset": 0, "Duration": self._ticks})
            if self._script.fault is Fault.DROP:
                self._end()
                return False
        if self._script.fault is None and self._bytes - self._told_bytes > _SILENCE_BYTES:
            await self._hear_nobody()
        if not body:
            await self._finish()
        return True

    def leave(self) -> None:
        if self._is_owed:
            self._is_owed = False
            self._seen.end(abandoned=True)

    @property
    def _ticks(self) -> int:
        return self._bytes * _TICKS_PER_S // _BYTES_PER_S

    async def _hear_nobody(self) -> None:
        offset = self._told_bytes * _TICKS_PER_S // _BYTES_PER_S
        self._told_bytes = self._bytes
        silence = {"RecognitionStatus": "InitialSilenceTimeout", "DisplayText": "", "NBest": []}
        await self._say("speech.phrase", {**silence, "Offset": offset, "Duration": self._ticks - offset})

    async def _finish(self) -> None:
        best = {"Confidence": 0.9, "Lexical": "", "ITN": "", "MaskedITN": "", "Display": self._script.text}
        phrase = {"RecognitionStatus": "Success", "DisplayText": self._script.text, "NBest": [best]}
        await self._say("speech.phrase", {**phrase, "Offset": 0, "Duration": self._ticks, "Channel": 0})
        await self._say("speech.endDetected", {"Offset": self._ticks})
        self._end()
        await self._say("turn.end", {})

    def _end(self) -> None:
        if self._is_owed:
            self._is_owed = False
            self._seen.end()

    async def _say(self, path: str, body: Any) -> None:
        await self._socket.send(_text(path, self._turn, body))


class _Synthesis:
    """One socket; a text is a turn, and a call."""

    def __init__(self, fake: FakeAzure, socket: ServerConnection) -> None:
        self._script, self._seen, self._socket = fake.script, fake.seen, socket
        self._is_owed = False

    async def take(self, path: str, turn: str, body: Any) -> bool:
        """Whether to go on."""
        if path != "ssml":
            return True
        assert self._socket.request is not None
        spoken = next(ElementTree.fromstring(body).iter(_VOICE_TAG))
        text = "".join(spoken.itertext())
        self._seen.begin(Call(_key(self._socket.request), text=text, voice=spoken.get("name")))
        self._is_owed = True
        if self._script.fault is Fault.HANG:
            return True
        await self._say("turn.start", turn, {"context": {"serviceTag": "t"}})
        audio = {"type": "inline", "streamId": "S"}
        await self._say("response", turn, {"context": {"serviceTag": "t"}, "audio": audio})
        await self._say("audio.metadata", turn, {"Metadata": self._boundaries(text)})
        sound = self._script.sound_of(text)
        for start in range(0, len(sound), _PART_BYTES):
            await self._socket.send(_audio(turn, sound[start : start + _PART_BYTES]))
            if self._script.fault is Fault.STALL:
                return True
            if self._script.fault is Fault.DROP:
                self._end()
                return False
        await self._socket.send(_audio(turn, b""))
        self._end()
        await self._say("turn.end", turn, {})
        return True

    def _boundaries(self, text: str) -> list[dict[str, Any]]:
        ticks = _TICKS_PER_S * self._script.tone_bytes_per_character // _VOICE_BYTES_PER_S
        return [
            {
                "Type": "WordBoundary",
                "Data": {
                    "Offset": ticks * word.start(),
                    "Duration": ticks * len(word[0]),
                    "text": {
                        "Text": word[0],
                        "Length": len(word[0]),
                        "BoundaryType": "WordBoundary" if word[1] else "PunctuationBoundary",
                    },
                },
            }
            for word in _WORD.finditer(text)
        ]

    def leave(self) -> None:
        if self._is_owed:
            self._is_owed = False
            self._seen.end(abandoned=True)

    def _end(self) -> None:
        self._is_owed = False
        self._seen.end()

    async def _say(self, path: str, turn: str, body: Any) -> None:
        await self._socket.send(_text(path, turn, body))


def _parse(message: str | bytes) -> tuple[dict[str, str], Any]:
    body: str | bytes
    if isinstance(message, str):
        head, _, body = message.partition("\r\n\r\n")
    else:
        (length,) = struct.unpack(">H", message[:2])
        head, body = message[2 : 2 + length].decode(), message[2 + length :]
    pairs = (line.split(":", 1) for line in head.split("\r\n") if ":" in line)
    return {name.strip().lower(): value.strip() for name, value in pairs}, body


def _text(path: str, turn: str, body: Any) -> str:
    return (
        f"X-RequestId:{turn}\r\nContent-Type:application/json; charset=utf-8\r\nPath:{path}\r\n\r\n"
        f"{json.dumps(body)}"
    )


def _audio(turn: str, pcm: bytes) -> bytes:
    kind = "Content-Type:audio/x-wav\r\n" if pcm else ""
    head = f"X-RequestId:{turn}\r\nPath:audio\r\nX-StreamId:S\r\n{kind}".encode()
    return struct.pack(">H", len(head)) + head + pcm


def _described(name: str, short: str, gender: str, locale: str) -> dict[str, Any]:
    return {
        "Name": f"Microsoft Server Speech Text to Speech Voice ({locale}, {short}Neural)",
        "DisplayName": short,
        "LocalName": short,
        "ShortName": name,
        "Gender": gender,
        "Locale": locale,
        "LocaleName": locale,
        "SampleRateHertz": "24000",
        "VoiceType": "Neural",
        "Status": "GA",
    }


def _key(request: Request) -> str | None:
    return request.headers.get("Ocp-Apim-Subscription-Key")
