"""A reply is cut: by a voice, a button, another message. Only what was heard is remembered."""

import pytest

from tests.fakes.scripted import ScriptedLlm, ScriptedTts, spread
from tests.session.rig import VAD, Call, House, calling
from voice_server.core import wire
from voice_server.core.commands import AssistantHeard
from voice_server.core.wire import EndReason
from voice_server.fakes.spoken import cough, quiet, speak

pytestmark = pytest.mark.session

STORY = " ".join(f"word{number:02}" for number in range(40)) + "."  # 280 characters, 14 s
PATIENT = wire.Changes(turn_detection=wire.TurnDetectionChanges(mode=wire.TurnMode.VAD, interrupt=False))


def telling() -> House:
    """All of a piece's audio comes at once: its length is known, and where its words are."""
    return House(llm=ScriptedLlm([[STORY]]), tts=ScriptedTts(chunk_ms=60_000))


def after(call: Call, kind: type[wire.Output]) -> list[wire.Output]:
    """What was told after the first of this kind."""
    kinds = [type(one) for one in call.outputs]
    return call.outputs[kinds.index(kind) + 1 :]


async def test_a_voice_cuts_the_reply_and_is_answered() -> None:
    async with calling(telling()) as call:
        await call.send(wire.TextIn("Tell me"))
        await call.until(wire.AudioOut)
        began_ms = call.now_ms
        await call.pass_ms(2_960)
        await call.say("Stop it please")
        await call.until(wire.Metrics, 2)
    cut = call.one(wire.Interrupted)
    assert cut.cause == "speech"
    # The voice is confirmed after seven windows of 32 ms, which end in the twelfth frame of 20 ms.
    assert call.when(wire.Interrupted) - began_ms == pytest.approx(2_960 + 240, abs=1)
    assert cut.heard_ms == pytest.approx(3_200, abs=1)
    assert cut.heard_text == " ".join(STORY.split()[:9])  # 64 characters are 9 words and a bit
    rest = [one for one in after(call, wire.Interrupted) if getattr(one, "turn_id", None) == cut.turn_id]
    assert [type(one) for one in rest] == [wire.AudioEnd, wire.Metrics]
    ends = call.all(wire.AudioEnd)
    assert ends[0].reason is EndReason.INTERRUPTED
    sent_ms = sum(one.duration_ms for one in call.all(wire.AudioOut) if one.turn_id == cut.turn_id)
    assert ends[0].duration_ms == pytest.approx(sent_ms)
    assert call.history[:3] == [
        ("user", "Tell me"),
        ("assistant", cut.heard_text),
        ("user", "Stop it please"),
    ]
    assert [one.content for one in call.llm.requests[1].messages[1:]] == [
        text for _, text in call.history[:3]
    ]


async def test_nothing_of_a_cut_reply_is_written_any_more() -> None:
    house = House(llm=ScriptedLlm([spread("Once upon a time, there was a story. " * 9, 0.5)]))
    async with calling(house) as call:
        await call.send(wire.TextIn("Tell me"))
        await call.pass_ms(5_000)
        await call.send(wire.Stop())
        await call.pass_ms(5_000)
        cut = call.one(wire.Interrupted)
        assert cut.cause == "stop"
        assert [type(one) for one in after(call, wire.Interrupted)] == [
            wire.AudioEnd,
            wire.Metrics,
            wire.Status,
        ]
        assert not call.all(wire.AiResponse)
        assert not any(one.is_final for one in call.all(wire.MessageChunk))
        assert (house.llm.calls_open, house.tts.replies_open) == (0, 0)
        assert call.history == [("user", "Tell me"), ("assistant", cut.heard_text)]
        await call.send(wire.Stop())
        assert len(call.all(wire.Interrupted)) == 1


async def test_a_stop_before_anything_was_heard() -> None:
    async with calling(House(llm=ScriptedLlm([[5, STORY]]))) as call:
        await call.send(wire.TextIn("Tell me"), wire.Stop())
        await call.until(wire.Metrics)
        assert (call.one(wire.Interrupted).heard_text, call.one(wire.Interrupted).heard_ms) == ("", 0)
        assert not call.all(wire.AudioEnd)
        assert call.history == [("user", "Tell me")]


@pytest.mark.parametrize("duration_ms", [20, 100, 180])
async def test_a_cough_does_not_cut(duration_ms: float) -> None:
    async with calling(telling()) as call:
        await call.send(wire.TextIn("Tell me"))
        await call.pass_ms(1_000)
        await call.stream(cough(duration_ms) + quiet(1_500))
        assert not call.all(wire.Interrupted)
        await call.until(wire.AudioEnd, where=lambda one: one.reason is EndReason.COMPLETED)


async def test_a_word_too_short_to_cut_cuts_once_it_is_understood() -> None:
    async with calling(telling()) as call:
        await call.send(wire.TextIn("Tell me"))
        await call.pass_ms(1_000)
        spoken_ms = call.now_ms
        await call.stream(speak("No.") + quiet(1_500))
        assert call.one(wire.TranscriptionOut).text == "No."
        assert call.when(wire.Interrupted) - spoken_ms > 500


async def test_a_reply_may_be_spared_from_speech() -> None:
    async with calling(telling(), PATIENT) as call:
        await call.send(wire.TextIn("Tell me"))
        await call.pass_ms(2_000)
        await call.say("And then what")
        assert not call.all(wire.Interrupted) and not call.all(wire.TranscriptionOut)
        await call.until(wire.Metrics, 2)
        assert not call.all(wire.Interrupted)
        assert call.one(wire.TranscriptionOut).text == "And then what"
        assert call.history[1] == ("assistant", STORY)
    # It begins when the last of the reply is heard.
    heard_ms = call.when(wire.AudioOut) + call.all(wire.AudioEnd)[0].duration_ms
    assert call.when(wire.TranscriptionOut) == pytest.approx(heard_ms, abs=1)


async def test_a_message_cuts_even_a_reply_that_is_spared_from_speech() -> None:
    async with calling(telling(), PATIENT) as call:
        await call.send(wire.TextIn("Tell me"))
        await call.pass_ms(2_000)
        await call.send(wire.TextIn("Enough"))
        await call.until(wire.Metrics, 2)
        assert call.one(wire.Interrupted).cause == "message"


async def test_what_the_client_reports_is_what_was_heard() -> None:
    async with calling(telling()) as call:
        await call.send(wire.TextIn("Tell me"))
        turn_id = (await call.until(wire.AudioStart)).turn_id
        await call.pass_ms(3_000)
        await call.send(wire.Playback(turn_id, 700))  # it is far behind
        await call.pass_ms(700)
        await call.send(wire.Stop())
        cut = await call.until(wire.Interrupted)
        assert cut.heard_ms == pytest.approx(1_400, abs=1)
        assert cut.heard_text == " ".join(STORY.split()[:4])


async def test_a_report_after_the_cut_corrects_what_is_remembered() -> None:
    async with calling(telling()) as call:
        await call.send(wire.TextIn("Tell me"))
        turn_id = (await call.until(wire.AudioStart)).turn_id
        await call.pass_ms(3_000)
        await call.send(wire.Stop())
        await call.pass_ms(300)
        await call.send(wire.Playback(turn_id, 2_000))  # on its way when the stop was sent
        await call.pass_ms(600)
        await call.send(wire.Playback(turn_id, 1_410))
        corrected = ("assistant", " ".join(STORY.split()[:4]))
        assert call.history[-1] == corrected
        await call.pass_ms(200)
        await call.send(wire.Playback(turn_id, 0))  # too late
        assert call.history[-1] == corrected
        assert len(call.all(wire.Interrupted)) == 1
        await call.send(wire.TextIn("And"))
        await call.pass_ms(10)
        assert call.llm.requests[1].messages[2].content == corrected[1]


async def test_the_tail_may_be_cut_after_everything_was_sent() -> None:
    house = House(llm=ScriptedLlm([["One two three four five."]]))
    async with calling(house) as call:  # 1.2 s, sent at once
        await call.send(wire.TextIn("Count"))
        await call.until(wire.Metrics)
        await call.pass_ms(600)
        await call.send(wire.Stop())
        cut = await call.until(wire.Interrupted)
        assert cut.heard_text == "One two"
        assert call.one(wire.AudioEnd).reason is EndReason.COMPLETED
        assert len(call.all(wire.Metrics)) == 1
        assert call.history[-1] == ("assistant", "One two")


async def test_nothing_is_cut_once_all_was_heard() -> None:
    async with calling(House(llm=ScriptedLlm([["One two three four five."]]))) as call:
        await call.send(wire.TextIn("Count"))
        await call.pass_ms(1_210)
        await call.send(wire.Stop())
        await call.pass_ms(100)
        assert not call.all(wire.Interrupted)
        assert call.history[-1] == ("assistant", "One two three four five.")
        heard = [entry for _, entry in call.journal.entries if isinstance(entry, AssistantHeard)]
        assert [one.complete for one in heard] == [True]


async def test_changing_the_conversation_cuts_and_each_keeps_its_own() -> None:
    house = telling()
    house.knows("conv_x")
    async with calling(house) as call:
        first = call.session.conversation_id
        await call.send(wire.TextIn("Tell me"))
        await call.pass_ms(1_000)
        await call.send(wire.TextIn("Hello", conversation_id="conv_x"))
        await call.until(wire.AiResponse, where=lambda one: one.conversation_id == "conv_x")
        await call.pass_ms(2_000)
        assert call.journal.said(first) == [("user", "Tell me"), ("assistant", "word00 word01")]
        assert call.journal.said("conv_x") == [("user", "Hello"), ("assistant", "You said: Hello")]
        assert [one.content for one in call.llm.requests[1].messages] == ["Be brief.", "Hello"]


async def test_an_unknown_conversation_is_told_and_a_new_one_is_used() -> None:
    async with calling(conversation_id="conv_unheard_of") as call:
        error = await call.until(wire.ErrorOut)
        assert (error.code, error.stage) == ("unknown_conversation", "protocol")
        first = call.one(wire.InitAck).conversation_id
        await call.send(wire.TextIn("Hello", conversation_id="conv_another"))
        await call.until(wire.ErrorOut, 2)
        assert (await call.until(wire.AiResponse)).conversation_id not in (first, "conv_another")


async def test_words_are_heard_in_the_order_they_are_spoken_whatever_the_encoding() -> None:
    mp3 = wire.Changes(
        turn_detection=VAD.turn_detection,
        output_audio=wire.OutputAudioChanges(format="mp3", sample_rate=24_000),
    )
    house = House(llm=ScriptedLlm([[STORY]]), tts=ScriptedTts(rate_hz=16_000, chunk_ms=60_000))
    async with calling(house, mp3) as call:
        await call.send(wire.TextIn("Tell me"))
        await call.until(wire.AudioOut)
        await call.pass_ms(3_000)
        await call.send(wire.Stop())
        cut = await call.until(wire.Interrupted)
        assert cut.heard_ms == pytest.approx(3_000, abs=1)
        assert STORY.startswith(cut.heard_text) and 7 <= len(cut.heard_text.split()) <= 8
