"""The language of a session: asked for, or found out from turn to turn."""

from typing import Any

import pytest

from tests.fakes.scripted import TONE_VOICE, Listening, ScriptedLlm, ScriptedStt, ScriptedTts
from tests.session.rig import VAD, House, calling, wav
from voice_server.core import wire
from voice_server.core.wire import Changes
from voice_server.errors import ProtocolError
from voice_server.fakes.spoken import speak
from voice_server.providers.base import SttHints, Voice

pytestmark = pytest.mark.session

ANNA = Voice("anna", "scripted", "Anna", "female", ("de-DE",))
OTTO = Voice("otto", "scripted", "Otto", "neutral", ("de-AT",))
JAN = Voice("jan", "other", "Jan", "male", ("nl-NL",))


def german_too(**more: Any) -> House:
    """Everything of one provider, which understands and speaks German too."""
    stt = ScriptedStt(languages=("en", "de"))
    return House(**{"stt": stt, "tts": ScriptedTts(voices=(TONE_VOICE, ANNA)), **more})


def finding_out(*heard: Listening, **more: Any) -> House:
    stt = ScriptedStt(heard, languages=("en", "de", "nl"), detects_language=True)
    tts = ScriptedTts(voices=(TONE_VOICE, ANNA))
    return House(**{"stt": stt, "tts": tts, "detectable": ("en-US", "de-DE"), **more})


async def told(house: House, **wishes: Any) -> dict[str, Any]:
    async with calling(house, Changes(**wishes), opens_stream=False) as call:
        return dict((await call.until(wire.InitAck)).config)


async def test_a_language_flows_through_all_stages() -> None:
    wish = Changes(language_code="de-DE", turn_detection=VAD.turn_detection)
    async with calling(german_too(), wish) as call:
        config = (await call.until(wire.InitAck)).config
        assert (config["language_code"], config["tts_voice"], config["notes"]) == ("de-DE", "anna", [])
        await call.say("Guten Tag")
        await call.until(wire.Metrics)
        assert call.stt.hints == [SttHints("de-DE")]
        assert call.llm.requests[0].messages[0].content == "Be brief. Answer in German."
        assert call.llm.requests[0].language == "de-DE"
        assert call.tts.voices == [ANNA]


async def test_english_needs_no_saying() -> None:
    async with calling(german_too(), Changes(language_code="en-GB"), opens_stream=False) as call:
        await call.send(wire.TextIn("Hello"))
        await call.until(wire.Metrics)
        assert call.llm.requests[0].messages[0].content == "Be brief."
        assert call.tts.voices == [TONE_VOICE]


async def test_a_voice_that_is_named_speaks_whatever_the_language() -> None:
    wish = Changes(language_code="de-DE", tts_voice="tone")
    async with calling(german_too(), wish, opens_stream=False) as call:
        assert (await call.until(wire.InitAck)).config["tts_voice"] == "tone"
        await call.send(wire.Configure(Changes(system_prompt="Be loud.")), wire.TextIn("Hallo"))
        await call.until(wire.Metrics)
        assert call.one(wire.Configured).config["tts_voice"] == "tone"
        assert call.tts.voices == [TONE_VOICE]


async def test_of_several_voices_the_one_of_the_region_and_most_like_the_present_one() -> None:
    voices = (TONE_VOICE, ANNA, OTTO)
    assert (await told(german_too(tts=ScriptedTts(voices=voices)), language_code="de-AT"))[
        "tts_voice"
    ] == "otto"
    assert (await told(german_too(tts=ScriptedTts(voices=voices)), language_code="de-CH"))[
        "tts_voice"
    ] == "otto"
    assert (await told(german_too(tts=ScriptedTts(voices=voices)), language_code="de-DE"))[
        "tts_voice"
    ] == "anna"


async def test_another_configured_provider_serves_what_the_default_cannot() -> None:
    house = House(
        more_stts=[ScriptedStt(name="other", languages=("nl",))],
        more_ttss=[ScriptedTts(name="other", voices=(JAN,))],
        strict=True,  # nobody asked for another provider
    )
    config = await told(house, language_code="nl-NL")
    assert (config["stt_provider"], config["tts_provider"], config["tts_voice"]) == ("other", "other", "jan")
    assert config["notes"] == [
        "'scripted' does not understand the language 'nl-NL': 'other' does.",
        "'scripted' does not speak the language 'nl-NL': 'other' does.",
    ]


async def test_a_strict_server_refuses_a_provider_that_does_not_serve_the_language() -> None:
    house = House(
        more_stts=[ScriptedStt(name="other", languages=("nl",))],
        more_ttss=[ScriptedTts(name="other", voices=(JAN,))],
        strict=True,
    )
    with pytest.raises(ProtocolError, match="does not understand the language"):
        await told(house, language_code="nl-NL", stt_provider="scripted")


async def test_a_language_that_nobody_serves_is_refused_with_those_that_are() -> None:
    with pytest.raises(ProtocolError) as refused:
        await told(german_too(), language_code="fr-FR")
    assert (refused.value.code, refused.value.message) == (
        "language_not_served",
        "Language 'fr-FR' cannot be served. Served: en-US, de-DE.",
    )


async def test_a_language_is_not_refused_while_a_vendor_may_have_voices_for_it() -> None:
    config = await told(House(tts=ScriptedTts(has_all_voices=False)), language_code="de-DE")
    assert config["language_code"] == "en-US"
    assert config["notes"] == ["language 'de-DE' cannot be served: 'en-US' is used. Served: en-US."]


async def test_a_recording_is_not_lost_for_its_language() -> None:
    async with calling(opens_stream=False) as call:
        await call.send(wire.Clip(wav(speak("Hello")), changes=Changes(language_code="fr-FR")))
        await call.until(wire.Metrics)
        assert call.one(wire.TranscriptionOut).text == "Hello"
        assert call.stt.hints == [SttHints("en-US")]


async def test_a_refused_change_changes_nothing() -> None:
    async with calling(opens_stream=False) as call:
        config = call.session.config
        with pytest.raises(ProtocolError):
            await call.send(wire.Configure(Changes(language_code="fr-FR", system_prompt="Be loud.")))
        assert call.session.config == config


# ── Found out ────────────────────────────────────────────────────────────────────────────────────

AUTO = Changes(language_code="auto", turn_detection=VAD.turn_detection)


async def test_each_turn_is_answered_in_the_language_it_was_heard_in() -> None:
    house = finding_out(Listening(language="de"), Listening(language="en"))
    async with calling(house, AUTO) as call:
        assert (await call.until(wire.InitAck)).config["language_code"] == "auto"
        for turn, words in enumerate(("Guten Tag", "Good day"), 1):
            await call.say(words)
            await call.until(wire.Metrics, turn)
            await call.pass_ms(2_000)
        assert call.stt.hints == [SttHints(None, ("en-US", "de-DE"))] * 2
        assert [one.language for one in call.llm.requests] == ["de-DE", "en-US"]
        assert [one.messages[0].content for one in call.llm.requests] == [
            "Be brief. Answer in German.",
            "Be brief. Answer in English.",
        ]
        assert call.tts.voices == [ANNA, TONE_VOICE]
        assert [one.language for one in call.all(wire.TranscriptionOut)] == ["de", "en"]


async def test_another_provider_speaks_the_language_that_was_heard() -> None:
    jan = ScriptedTts(name="other", voices=(JAN,))
    house = finding_out(Listening(language="nl"), more_ttss=[jan], detectable=("en-US", "nl-NL"))
    async with calling(house, AUTO) as call:
        await call.say("Goedendag")
        assert (await call.until(wire.Metrics)).providers["tts"] == "other"
        assert jan.voices == [JAN]


@pytest.mark.parametrize("heard", ["nl", "fr", None])
async def test_what_is_not_on_the_list_or_not_told_is_answered_as_usual(heard: str | None) -> None:
    async with calling(finding_out(Listening(language=heard)), AUTO) as call:
        await call.say("Goedendag")
        await call.until(wire.Metrics)
        assert call.llm.requests[0].language == "en-US"
        assert call.tts.voices == [TONE_VOICE]


async def test_a_caller_may_name_the_languages_itself() -> None:
    async with calling(finding_out(detectable=()), Changes(language_code="de-DE, en-US")) as call:
        assert call.session.config["language_code"] == "auto"
        await call.say("Hello", then_quiet_ms=2_000)
        assert call.stt.hints == [SttHints(None, ("en-US", "de-DE"))]
        await call.send(wire.Configure(Changes(language_code="de-DE")))
        assert (await call.until(wire.Configured)).config["language_code"] == "de-DE"


async def test_without_a_list_all_that_can_be_served_may_be_spoken() -> None:
    async with calling(finding_out(detectable=()), AUTO) as call:
        await call.say("Hello")
        assert call.stt.hints[0].languages == ("en-US", "de-DE")


async def test_a_language_that_was_asked_for_is_not_changed_by_what_is_heard() -> None:
    wish = Changes(language_code="en-US", turn_detection=VAD.turn_detection)
    async with calling(finding_out(Listening(language="de")), wish) as call:
        await call.say("Guten Tag")
        await call.until(wire.Metrics)
        assert call.llm.requests[0].language == "en-US"


async def test_where_nobody_finds_it_out_the_usual_language_is_taken() -> None:
    config = await told(german_too(), language_code="auto")
    assert config["language_code"] == "en-US"
    assert config["notes"] == ["no configured provider finds out the language: it is taken for 'en-US'."]


async def test_a_provider_that_finds_it_out_listens_instead_of_one_that_does_not() -> None:
    clever = ScriptedStt(name="clever", languages=("en", "de"), detects_language=True)
    config = await told(german_too(more_stts=[clever], llm=ScriptedLlm()), language_code="auto")
    assert (config["stt_provider"], config["language_code"]) == ("clever", "auto")
    assert config["notes"] == ["'scripted' does not understand the language 'auto': 'clever' does."]
