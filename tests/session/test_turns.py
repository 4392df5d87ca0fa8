"""Somebody speaks, types or sends a recording, and is answered."""

import asyncio

import pytest

from tests.fakes.scripted import (
    Listening,
    ScriptedLlm,
    ScriptedScore,
    ScriptedStt,
    ScriptedTts,
    Speaking,
    spread,
)
from tests.session.rig import VAD, House, calling, wav
from voice_server.core import wire
from voice_server.core.wire import EndReason, StatusKind, TurnMode
from voice_server.fakes.spoken import cough, quiet, speak

pytestmark = pytest.mark.session

TEN_SECONDS = "a" * 200  # of audio: 50 ms a character
MANUAL = wire.Changes(turn_detection=wire.TurnDetectionChanges(mode=TurnMode.MANUAL))
SEMANTIC = wire.Changes(turn_detection=wire.TurnDetectionChanges(mode=TurnMode.SEMANTIC))


def ms(value: float) -> object:
    return pytest.approx(value, abs=0.1)


async def test_a_caller_asks_and_is_answered() -> None:
    house = House(
        stt=ScriptedStt(usual=Listening(final_s=0.2, confidence=0.9)),
        llm=ScriptedLlm([[0.3, "Fine, ", 0.1, "thanks."]]),
        tts=ScriptedTts(usual=Speaking(first_s=0.15)),
    )
    async with calling(house) as call:
        ended_ms = await call.say("How are you")
        await call.until(wire.Metrics)
        first_turn = [one for one in call.outputs if getattr(one, "turn_id", None)]
    decided_ms = call.when(wire.TranscriptionOut)
    assert call.one(wire.TranscriptionOut).text == "How are you"
    assert call.one(wire.TranscriptionOut).confidence == 0.9
    # Windows of 32 ms, frames of 20 ms: the voice is taken to end at 448 ms, 500 ms later it is over.
    assert (ended_ms, call.one(wire.SpeechStoppedOut).at_ms, decided_ms) == (ms(440), 448, ms(960))
    assert call.when(wire.MessageChunk) == ms(decided_ms + 300)
    assert call.when(wire.AudioOut) == ms(decided_ms + 300 + 100 + 150)
    metrics = call.one(wire.Metrics)
    assert (metrics.endpoint_ms, metrics.stt_ms) == (ms(512), ms(0))  # the transcript came during the wait
    assert (metrics.llm_first_token_ms, metrics.tts_first_audio_ms) == (ms(300), ms(250))
    assert metrics.response_ms == ms(512 + 300 + 250)
    assert metrics.providers == {"stt": "scripted", "llm": "scripted/script-1", "tts": "scripted"}
    assert [type(one) for one in first_turn if not isinstance(one, wire.AudioOut)] == [
        wire.TranscriptionOut,
        wire.MessageChunk,
        wire.MessageChunk,
        wire.MessageChunk,
        wire.AiResponse,
        wire.AudioStart,
        wire.AudioEnd,
        wire.Metrics,
    ]
    assert call.one(wire.AudioEnd).reason is EndReason.COMPLETED
    assert call.one(wire.AudioEnd).duration_ms == ms(len("Fine, thanks.") * 50)
    assert "".join(one.text + " " for one in call.all(wire.AudioOut) if one.text) == "Fine, thanks. "
    assert call.history == [("user", "How are you"), ("assistant", "Fine, thanks.")]
    assert [message.content for message in house.llm.requests[0].messages] == ["Be brief.", "How are you"]


async def test_statuses_follow_the_turn_and_come_on_change_only() -> None:
    async with calling() as call:
        await call.say("Hello")
        await call.until(wire.Status, where=lambda one: one.status is StatusKind.SPEAKING)
        await call.until(wire.Status, count=6)
        statuses = [one.status for one in call.all(wire.Status)]
    assert statuses == [
        StatusKind.LISTENING,
        StatusKind.READY,
        StatusKind.LISTENING,
        StatusKind.PROCESSING,
        StatusKind.SPEAKING,
        StatusKind.LISTENING,
    ]


async def test_the_first_words_sound_while_the_model_still_writes() -> None:
    text = "First of all, it is late. " + "Then there is more to say about it. " * 4
    house = House(llm=ScriptedLlm([spread(text, 0.1)]), tts=ScriptedTts(usual=Speaking(first_s=0.2)))
    async with calling(house) as call:
        await call.send(wire.TextIn("Go on"))
        await call.until(wire.Metrics)
    # Three words make the first clause; it is spoken 200 ms later.
    assert call.when(wire.AudioOut) == ms(300 + 200)
    assert call.when(wire.AiResponse) > call.when(wire.AudioOut) + 2_000
    chunks = call.all(wire.MessageChunk)
    assert "".join(one.chunk for one in chunks) == call.one(wire.AiResponse).text == text
    assert [one.is_final for one in chunks] == [False] * (len(chunks) - 1) + [True]


async def test_a_pause_in_the_middle_of_a_sentence_is_one_turn() -> None:
    async with calling() as call:
        await call.say("I think", then_quiet_ms=400)
        await call.say(" so")
        await call.until(wire.Metrics)
        assert call.one(wire.TranscriptionOut).text == "I think so"
        assert len(call.all(wire.SpeechStartedOut)) == len(call.all(wire.SpeechStoppedOut)) == 1


async def test_going_on_before_the_transcript_came_is_one_turn() -> None:
    async with calling(House(stt=ScriptedStt(usual=Listening(final_s=0.7)))) as call:
        await call.say("I think", then_quiet_ms=600)
        await call.say(" so", then_quiet_ms=1_500)
        await call.until(wire.Metrics)
        assert call.one(wire.TranscriptionOut).text == "I think so"
        edges = [
            one for one in call.outputs if isinstance(one, wire.SpeechStartedOut | wire.SpeechStoppedOut)
        ]
        assert [type(one) for one in edges] == [wire.SpeechStartedOut, wire.SpeechStoppedOut] * 2


@pytest.mark.parametrize(("probability", "silence_ms"), [(0.9, 200), (0.5, 300), (0.1, 500)])
async def test_how_finished_it_sounds_sets_the_wait(probability: float, silence_ms: float) -> None:
    score = ScriptedScore({"Hello": probability}, score_s=0.05)
    async with calling(House(score=score), SEMANTIC) as call:
        await call.say("Hello", then_quiet_ms=1_200)
        await call.until(wire.Metrics)
    stopped_ms = call.one(wire.SpeechStoppedOut).at_ms
    assert stopped_ms + silence_ms <= call.when(wire.SpeechStoppedOut) <= stopped_ms + silence_ms + 20


async def test_saying_nothing_is_no_turn_and_no_error() -> None:
    async with calling() as call:
        await call.stream(cough(300) + quiet(2_000))
        assert len(call.all(wire.SpeechStoppedOut)) == 1
        assert not call.all(wire.TranscriptionOut) and not call.all(wire.ErrorOut)
        assert not call.all(wire.Metrics) and call.all(wire.Status)[-1].status is StatusKind.LISTENING


async def test_a_stream_that_stalls_counts_as_silence() -> None:
    async with calling() as call:
        await call.stream(speak("Hello"))
        await call.until(wire.TranscriptionOut)
    # Nothing for 300 ms, told at the next look; the silence began with the stall.
    assert 200 + 500 <= call.when(wire.TranscriptionOut) <= 200 + 600 + 20


async def test_audio_in_long_pieces_does_not_stall() -> None:
    async with calling() as call:
        await call.stream(
            speak("This is one long sentence in a few long pieces") + quiet(1_000), frame_ms=1_000
        )
        await call.until(wire.TranscriptionOut)
        assert call.one(wire.TranscriptionOut).text == "This is one long sentence in a few long pieces"


@pytest.mark.parametrize(("changes", "taken_ms"), [(VAD, 3_000), (SEMANTIC, 3_000), (MANUAL, 0)])
async def test_input_faster_than_real_time_is_held_back(changes: wire.Changes, taken_ms: float) -> None:
    async with calling(changes=changes) as call:
        audio = speak("It goes on for five seconds".ljust(100)) + quiet(1_000)
        for start in range(0, len(audio), 640):
            await call.send(wire.AudioIn(audio[start : start + 640]))
        assert call.now_ms == ms(taken_ms)
        await call.send(wire.StreamEnd())
        await call.until(wire.Metrics)
        assert call.one(wire.TranscriptionOut).text == "It goes on for five seconds"


async def test_reply_audio_is_at_most_two_seconds_ahead() -> None:
    async with calling(House(llm=ScriptedLlm([[TEN_SECONDS]]))) as call:
        await call.send(wire.TextIn("Talk"))
        await call.until(wire.Metrics)
    audio = [(one.at_ms, one.output) for one in call.told if isinstance(one.output, wire.AudioOut)]
    sent_ms, began_ms = 0.0, audio[0][0]
    for at_ms, chunk in audio:
        sent_ms += chunk.duration_ms
        assert sent_ms - (at_ms - began_ms) <= 2_000.1
    assert sent_ms == ms(10_000)
    assert audio[-1][0] == ms(began_ms + 8_000)  # and no later than it must be


async def test_the_reply_to_a_recording_comes_at_once() -> None:
    async with calling(House(llm=ScriptedLlm([[TEN_SECONDS]])), opens_stream=False) as call:
        await call.send(wire.Clip(wav(speak("Hello"))))
        await call.until(wire.Metrics)
        assert call.one(wire.TranscriptionOut).text == "Hello"
        assert call.now_ms == ms(0)
        assert call.one(wire.AudioEnd).duration_ms == ms(10_000)
        assert call.history[-1] == ("assistant", TEN_SECONDS)
        await call.send(wire.Stop())
        assert not call.all(wire.Interrupted)


async def test_replies_on_a_wire_that_is_not_paced_come_at_once() -> None:
    async with calling(House(llm=ScriptedLlm([[TEN_SECONDS]])), is_paced=False) as call:
        await call.say("Talk")
        await call.until(wire.Metrics)
    assert call.when(wire.AudioEnd) == ms(call.when(wire.AudioStart))


@pytest.mark.parametrize("clip", [wav(quiet(500)), wav(cough(500)), b"no audio at all"])
async def test_a_recording_without_words_is_answered_aloud(clip: bytes) -> None:
    async with calling(opens_stream=False) as call:
        await call.send(wire.Clip(clip))
        metrics = await call.until(wire.Metrics)
        error = call.one(wire.ErrorOut)
        assert (error.stage, error.turn_id) == ("stt", metrics.turn_id)
        assert error.code == ("bad_audio" if clip == b"no audio at all" else "no_speech")
        assert call.one(wire.AudioEnd).reason is EndReason.FAILED
        assert call.one(wire.AudioEnd).duration_ms > 500
        assert not call.all(wire.MessageChunk) and not call.all(wire.AiResponse)
        assert call.history == []


async def test_two_recordings_at_once_are_answered_in_order() -> None:
    async with calling(opens_stream=False) as call:
        await call.send(wire.Clip(wav(speak("One"))), wire.Clip(wav(speak("Two"))))
        await call.until(wire.Metrics, 2)
        await call.until(wire.AiResponse, where=lambda one: one.text == "You said: Two")
        assert [one.text for one in call.all(wire.TranscriptionOut)] == ["One", "Two"]


async def test_the_button_decides_in_manual_mode() -> None:
    async with calling(changes=MANUAL) as call:
        await call.say("One", then_quiet_ms=3_000)
        await call.say(" two", then_quiet_ms=100)
        assert not call.all(wire.TranscriptionOut)
        await call.send(wire.AudioCommit())
        await call.until(wire.Metrics)
        assert call.one(wire.TranscriptionOut).text == "One two"
        assert call.one(wire.Metrics).endpoint_ms is None
        assert not call.all(wire.SpeechStartedOut)


async def test_pressing_the_button_forgets_what_came_before_and_cuts_the_reply() -> None:
    async with calling(House(llm=ScriptedLlm([[TEN_SECONDS]])), changes=MANUAL) as call:
        await call.send(wire.TextIn("Talk"))
        await call.say("Noise", then_quiet_ms=1_000)
        await call.send(wire.AudioClear())
        assert (await call.until(wire.Interrupted)).cause == "speech"
        await call.say("Two", then_quiet_ms=100)
        await call.send(wire.AudioCommit())
        assert (await call.until(wire.TranscriptionOut)).text == "Two"


@pytest.mark.parametrize(("audio", "code"), [(b"", "nothing_to_commit"), (quiet(500), "no_speech")])
async def test_committing_nothing_is_an_error_and_no_turn(audio: bytes, code: str) -> None:
    async with calling(changes=MANUAL) as call:
        await call.stream(audio)
        await call.send(wire.AudioCommit())
        error = await call.until(wire.ErrorOut)
        assert (error.code, error.stage, error.turn_id) == (code, "stt", None)
        await call.pass_ms(100)
        assert not call.all(wire.AudioStart) and not call.all(wire.Metrics)


async def test_closing_the_microphone_ends_the_turn() -> None:
    async with calling() as call:
        await call.stream(speak("Hello"))
        await call.send(wire.StreamEnd())
        metrics = await call.until(wire.Metrics)
        assert call.one(wire.TranscriptionOut).text == "Hello"
        assert call.one(wire.SpeechStoppedOut).at_ms == ms(200)
        assert metrics.endpoint_ms == ms(0)


async def test_text_alone_is_answered_by_text_alone() -> None:
    async with calling(opens_stream=False) as call:
        await call.send(wire.TextIn("Hello", wants_audio=False))
        await call.until(wire.Metrics)
        assert call.one(wire.AiResponse).text == "You said: Hello"
        assert not call.all(wire.AudioStart) and not call.all(wire.TranscriptionOut)
        assert call.tts.spoken == []
        assert call.history == [("user", "Hello"), ("assistant", "You said: Hello")]


async def test_a_message_may_name_its_model_and_options() -> None:
    other = ScriptedLlm(usual=lambda _: ["I am the other."], model="script-2")
    async with calling(House(more_llms=[other]), opens_stream=False) as call:
        await call.send(wire.TextIn("Who", model="script-2", temperature=0.1, max_tokens=5))
        metrics = await call.until(wire.Metrics)
        assert call.one(wire.AiResponse).text == "I am the other."
        assert metrics.providers["llm"] == "scripted/script-2"
        assert (other.requests[0].temperature, other.requests[0].max_tokens) == (0.1, 5)
        await call.send(wire.TextIn("And you"))
        await call.until(wire.AiResponse, where=lambda one: one.text == "You said: And you")


async def test_a_model_that_takes_the_user_for_finished_too_early_hears_the_rest_next() -> None:
    async with calling(House(llm=ScriptedLlm([[5.0, "Late."]]))) as call:
        await call.say("One", then_quiet_ms=700)
        await call.say("Two", then_quiet_ms=700)
        await call.until(wire.AiResponse)
        assert [one.text for one in call.all(wire.TranscriptionOut)] == ["One", "Two"]
        assert call.one(wire.Interrupted).heard_text == ""
        assert call.one(wire.AiResponse).text == "You said: Two"
        assert len(call.llm.requests[1].messages) == 3  # system, and both of the user's


async def test_partials_replace_each_other_while_one_speaks() -> None:
    stt = ScriptedStt(partial_every_ms=400, partial_s=0.1)
    async with calling(House(stt=stt)) as call:
        await call.say("one two three four five six")
        await call.until(wire.Metrics)
        partials = [one.text for one in call.all(wire.PartialOut)]
    assert len(partials) >= 3 and len(set(partials)) == len(partials)
    assert all("one two three four five six".startswith(text) for text in partials)
    last_ms = [one.at_ms for one in call.told if isinstance(one.output, wire.PartialOut)][-1]
    assert last_ms < call.when(wire.TranscriptionOut)


async def test_partials_that_come_after_the_turn_began_are_dropped() -> None:
    async with calling(House(stt=ScriptedStt(partial_every_ms=100, partial_s=0.9))) as call:
        await call.say("Hello", then_quiet_ms=3_000)
        await call.until(wire.Metrics)
        assert [one.text for one in call.all(wire.PartialOut)] == ["Hello"]  # of the first silence


async def test_a_greeting_opens_the_conversation() -> None:
    async with calling(greeting="Good morning.", opens_stream=False) as call:
        await call.until(wire.Metrics)
        await call.pass_ms(1_000)
        assert call.one(wire.AiResponse).text == "Good morning."
        assert call.tts.spoken == ["Good morning."] and call.llm.requests == []
        assert call.history == [("assistant", "Good morning.")]
        await call.send(wire.TextIn("Hello", wants_audio=False))
        await call.until(wire.Metrics, 2)
        assert [one.role for one in call.llm.requests[0].messages] == ["system", "assistant", "user"]


async def test_a_caller_who_speaks_first_is_answered_not_greeted() -> None:
    house = House(tts=ScriptedTts(warm_s=3.0))
    async with calling(house, greeting="Good morning.", opens_stream=False) as call:
        await call.send(wire.TextIn("Hello"))
        await call.until(wire.Metrics)
        assert call.tts.spoken == ["You said: Hello"]
        assert not call.all(wire.Interrupted)


async def test_ten_callers_at_once_each_hear_their_own_words() -> None:
    house = House(
        stt=ScriptedStt(usual=Listening(final_s=0.3)),
        llm=ScriptedLlm(usual=lambda request: [0.2, f"Yes, {request.messages[-1].content}."]),
        tts=ScriptedTts(usual=Speaking(first_s=0.1)),
    )
    registry = house.registry()
    calls = [await house.call(registry, wire.Init(changes=VAD)) for _ in range(10)]

    async def talk(number: int) -> None:
        call = calls[number]
        await call.send(wire.StreamStart())
        for turn in range(3):
            await call.pass_ms(37 * number)
            await call.say(f"caller {number} turn {turn}", then_quiet_ms=3_000)

    await asyncio.gather(*(talk(number) for number in range(10)))
    for number, call in enumerate(calls):
        said = [f"caller {number} turn {turn}" for turn in range(3)]
        assert [one.text for one in call.all(wire.TranscriptionOut)] == said
        assert [one.text for one in call.all(wire.AiResponse)] == [f"Yes, {text}." for text in said]
        assert [one.seq for one in call.told] == list(range(1, len(call.told) + 1))
        assert len(call.history) == 6
    await registry.drain(0)
    assert registry.count == 0
    house.workers.shutdown()


async def test_the_prompt_of_a_turn_begins_with_that_of_the_turn_before_but_for_a_few() -> None:
    house = House(llm=ScriptedLlm(usual=lambda _: ["Yes. " * 60]))
    async with calling(house, is_paced=False) as call:
        for number in range(60):
            await call.send(wire.TextIn(f"Question {number}: " + "why, " * 60, wants_audio=False))
            await call.until(wire.Metrics, number + 1)
        prompts = [request.messages for request in call.llm.requests]
    pairs = list(zip(prompts, prompts[1:], strict=False))
    cut = [number for number, (one, after) in enumerate(pairs) if after[: len(one)] != one]
    # 8,000 characters are cut to 4,000: some seven turns pass until they are 8,000 again.
    assert 3 <= len(cut) <= 60 / 6
    assert all(later - earlier >= 6 for earlier, later in zip(cut, cut[1:], strict=False))
