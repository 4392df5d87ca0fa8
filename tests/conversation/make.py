"""Makes the recordings of `audio/` again from `lines.json`, and prints what our recogniser understands.

It needs `espeak-ng` and the local models. A voice never says a thing twice alike, so the bytes will differ.
Run it from the checkout: `.venv/bin/python -m tests.conversation.make [NAME ...]`
"""

import asyncio
import json
import sys
from pathlib import Path

from tests.data.make import say, spoken, transcript
from voice_server.audio.format import STT_RATE_HZ, OutputEncoding, OutputFormat, duration_ms
from voice_server.audio.outgoing import open_encoder
from voice_server.providers import registry

HERE = Path(__file__).parent


async def main(wished: list[str]) -> None:
    stt, tts = registry.load("stt", "local", {}), registry.load("tts", "local", {})
    for speaker, one in json.loads((HERE / "lines.json").read_text("utf-8")).items():
        for line, text in one["lines"].items():
            name = f"{speaker}_{line}".replace("reply_reply", "reply")
            if wished and name not in wished:
                continue
            pcm = spoken(*(await say(one["said"], text, tts)))
            encoder = open_encoder(OutputFormat(OutputEncoding.OPUS, STT_RATE_HZ), STT_RATE_HZ)
            (HERE / "audio" / f"{name}.ogg").write_bytes(encoder.push(pcm) + encoder.finish())
            heard = await transcript(pcm, stt)
            print(f"{duration_ms(len(pcm), STT_RATE_HZ):5.0f} ms  {name}: {heard}")
    await tts.close()
    await stt.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
