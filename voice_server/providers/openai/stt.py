"""Which of the two ways speech is recognised."""

from collections.abc import Mapping
from typing import Any

from voice_server.providers.openai.options import OpenAiOptions
from voice_server.providers.openai.realtime import RealtimeSpeechToText
from voice_server.providers.openai.transcriber import OpenAiTranscriber
from voice_server.providers.segmented import SegmentedSpeechToText


def create(options: Mapping[str, Any]) -> RealtimeSpeechToText | SegmentedSpeechToText:
    """The entry point `voice_server.stt: openai`. `options`: the fields of `OpenAiOptions`."""
    found = OpenAiOptions.read(options)
    if (found.transport or ("realtime" if found.is_openai else "http")) == "realtime":
        return RealtimeSpeechToText(found)
    return SegmentedSpeechToText(OpenAiTranscriber(found), found.partial_every_ms)
