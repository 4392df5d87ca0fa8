from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.scripted import TONE_VOICE, ScriptedLlm, ScriptedStt, ScriptedTts
from voice_server.core.languages import serves
from voice_server.core.wire import (
    Changes,
    InputAudioChanges,
    OutputAudioChanges,
    TemplateChoice,
    ToolSpec,
    TurnDetectionChanges,
    TurnMode,
)
from voice_server.errors import ProtocolError
from voice_server.providers.base import LlmCapabilities, Voice
from voice_server.session.choice import Catalogue, Choice
from voice_server.session.chooser import Chooser

pytestmark = pytest.mark.unit

GERMAN = Voice("anna", "other", "Anna", "female", ("de-DE",))
STT, OTHER_STT = ScriptedStt(), ScriptedStt(name="other")
LLM, OTHER_LLM = ScriptedLlm(), ScriptedLlm(name="other", model="m-2", capabilities=LlmCapabilities())
TTS, OTHER_TTS = ScriptedTts(), ScriptedTts(name="other", voices=(GERMAN,))
CATALOGUE = Catalogue([STT, OTHER_STT], [LLM, OTHER_LLM], [TTS, OTHER_TTS])
DEFAULT = Choice(STT, LLM, TTS, TONE_VOICE, "en-US", "Be brief.")


def chosen(**wishes: Any) -> Choice:
    return Chooser(CATALOGUE).apply(DEFAULT, Changes(**wishes))


def refused(catalogue: Catalogue = CATALOGUE, **wishes: Any) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        Chooser(catalogue).apply(DEFAULT, Changes(**wishes))
    return caught.value


def test_without_wishes_nothing_changes() -> None:
    assert chosen() == DEFAULT


def test_providers_are_chosen_by_name_and_models_by_either() -> None:
    assert chosen(stt_provider="other").stt is OTHER_STT
    assert chosen(model="m-2").llm is chosen(model="other").llm is OTHER_LLM
    assert chosen(model="m-2").provider_names == (
        ("stt", "scripted"),
        ("llm", "other/m-2"),
        ("tts", "scripted"),
    )


def test_another_provider_speaks_with_a_voice_of_its_own() -> None:
    choice = chosen(tts_provider="other")
    assert (choice.tts, choice.voice) == (OTHER_TTS, GERMAN)
    assert chosen(tts_voice="tone").voice is TONE_VOICE
    assert chosen(tts_voice="anna").notes == ("voice 'anna' is not configured: 'tone' speaks.",)


def test_a_voice_is_known_by_its_id_when_more_is_learned_of_it() -> None:
    renamed = replace(TONE_VOICE, name="Tone the Second")
    tts = ScriptedTts(voices=(GERMAN, renamed))
    choice = Chooser(Catalogue([STT], [LLM], [tts])).apply(replace(DEFAULT, tts=tts), Changes())
    assert choice.voice == renamed


def test_notes_are_of_the_last_wishes_only() -> None:
    chooser = Chooser(CATALOGUE)
    first = chooser.apply(DEFAULT, Changes(model="gpt-4o", stt_provider="openai"))
    assert len(first.notes) == 2 and first.described()["notes"] == list(first.notes)
    assert chooser.apply(first, Changes()).notes == ()


def test_a_strict_server_refuses_what_it_does_not_have() -> None:
    error = refused(Catalogue([STT], [LLM], [TTS], strict=True), model="gpt-4o")
    assert (error.code, error.message) == (
        "not_configured",
        "Model 'gpt-4o' is not configured: 'script-1' answers.",
    )


def test_nested_wishes_are_merged() -> None:
    first = chosen(turn_detection=TurnDetectionChanges(mode=TurnMode.VAD, silence_ms=700, threshold=0.6))
    second = Chooser(CATALOGUE).apply(
        first, Changes(turn_detection=TurnDetectionChanges(interrupt=False, prefix_ms=100))
    )
    assert second.described()["turn_detection"] == {
        "mode": "vad",
        "threshold": 0.6,
        "silence_ms": 700,
        "prefix_ms": 100,
        "interrupt": False,
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("silence_ms", 99),
        ("silence_ms", 10_001),
        ("threshold", 0.04),
        ("threshold", 0.96),
        ("prefix_ms", -1),
        ("prefix_ms", 2_001),
        ("silence_ms", float("nan")),
    ],
)
def test_numbers_that_make_no_sense_are_refused(field: str, value: float) -> None:
    wishes: dict[str, Any] = {field: value}
    error = refused(turn_detection=TurnDetectionChanges(**wishes))
    assert error.code == "bad_field" and f"turn_detection.{field}" in error.message


@pytest.mark.parametrize(
    ("changes", "output"),
    [
        (OutputAudioChanges(), ("wav", 24_000, "json")),
        (OutputAudioChanges(format="mulaw"), ("mulaw", 8_000, "json")),
        (
            OutputAudioChanges(format="opus", sample_rate=48_000, transport="binary"),
            ("opus", 48_000, "binary"),
        ),
    ],
)
def test_output_formats(changes: OutputAudioChanges, output: tuple[str, int, str]) -> None:
    told = chosen(output_audio=changes).described()["output_audio"]
    assert (told["format"], told["sample_rate"], told["transport"]) == output


@pytest.mark.parametrize(
    "wishes",
    [
        {"output_audio": OutputAudioChanges(format="flac")},
        {"output_audio": OutputAudioChanges(format="opus", sample_rate=44_100)},
        {"output_audio": OutputAudioChanges(format="mulaw", sample_rate=16_000)},
        {"output_audio": OutputAudioChanges(sample_rate=1)},
        {"output_audio": OutputAudioChanges(transport="pigeon")},
        {"input_audio": InputAudioChanges(format="mp3")},
        {"input_audio": InputAudioChanges(sample_rate=1)},
        {"input_audio": InputAudioChanges(channels=3)},
    ],
)
def test_formats_that_make_no_sense_are_refused(wishes: dict[str, Any]) -> None:
    assert refused(**wishes).code == "bad_format"


def test_languages_need_ears_and_a_voice() -> None:
    assert CATALOGUE.languages == ("en-US",)  # nobody here understands German
    assert chosen(language_code="en-GB").language == "en-GB"
    assert refused(language_code="de-DE").code == "language_not_served"
    assert serves(("en",), "en-US") and serves(("en-US",), "EN") and not serves(("en",), "enm")


def test_a_template_that_is_not_known_is_told() -> None:
    assert "template 'pirate'" in chosen(template=TemplateChoice("pirate")).notes[0]


def test_tools_are_for_models_that_can_call_them() -> None:
    tools = (ToolSpec("clock", "Tells the time.", {}),)
    assert chosen(tools=tools).notes == () and chosen(tools=tools).tools == tools
    assert "cannot call tools" in chosen(tools=tools, model="m-2").notes[0]
    kept = Chooser(CATALOGUE).apply(chosen(tools=tools), Changes())
    assert kept.tools == tools
    assert Chooser(CATALOGUE).apply(kept, Changes(tools=())).tools == ()
