"""Run by the Python of an environment with the public Zeebee client: talk, and tell on stdout what came.

python zeebee_caller.py PATH WEBSOCKET_URL REST_URL API_KEY RECORDING SOUND_TO_WRITE
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from zeebee_ai_client import ZeebeeClient
from zeebee_ai_client.voice_chat import VoiceChatSession

PATIENCE_S = 40


async def session(ws_url: str, key: str, recording: str, told: dict[str, Any]) -> bytes:
    """`VoiceChatSession`: over the voice port."""
    sound: list[bytes] = []
    done = asyncio.Event()

    def on_audio(data: bytes) -> None:
        sound.append(data)
        done.set()

    def on_error(message: str) -> None:
        told["errors"].append(message)
        if "key" in message.lower():
            done.set()

    talk = VoiceChatSession(
        api_key=key,
        ws_url=ws_url,
        on_transcript=lambda text: told.__setitem__("transcript", text),
        on_response=lambda text: told.__setitem__("reply", text),
        on_audio=on_audio,
        on_error=on_error,
        on_status=lambda status: told["statuses"].append(status),
    )
    await talk.connect()
    await talk.send_audio(recording)
    await asyncio.wait_for(done.wait(), PATIENCE_S)
    told["conversation_id"] = talk.conversation_id
    await talk.disconnect()
    return b"".join(sound)


async def stream(rest_url: str, key: str, recording: str, told: dict[str, Any]) -> bytes:
    """`voice_chat`: a ticket by REST, then a socket on the same port."""
    answer = await ZeebeeClient(api_key=key, base_url=rest_url).voice_chat(recording)
    told.update(transcript=answer["transcription"], reply=answer["text"], session_id=answer["session_id"])
    return bytes(answer.get("audio") or b"")


async def websocket(ws_url: str, rest_url: str, key: str, recording: str, told: dict[str, Any]) -> bytes:
    """`voice_chat_ws`: one turn over the voice port."""
    client = ZeebeeClient(api_key=key, base_url=rest_url, ws_url=ws_url)
    answer = await client.voice_chat_ws(recording)
    told.update({name: value for name, value in answer.items() if isinstance(value, str)})
    return next((bytes(value) for value in answer.values() if isinstance(value, bytes)), b"")


def main(path: str, ws_url: str, rest_url: str, key: str, recording: str, sound_to_write: str) -> None:
    told: dict[str, Any] = {"errors": [], "statuses": []}
    match path:
        case "session":
            talking = session(ws_url, key, recording, told)
        case "stream":
            talking = stream(rest_url, key, recording, told)
        case _:
            talking = websocket(ws_url, rest_url, key, recording, told)
    Path(sound_to_write).write_bytes(asyncio.run(talking))
    print(json.dumps(told))


main(*sys.argv[1:])
