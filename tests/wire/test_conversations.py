"""A conversation outlives its session, and belongs to whoever began it."""

from pathlib import Path

from tests.fakes.scripted import ScriptedLlm
from tests.wire.rig import KEY, frame_of, serving
from voice_server.client import VoiceClient
from voice_server.client.frames import Error

OTHER_KEY = "sk-test-another-key-of-somebody-else-0000"


def said(llm: ScriptedLlm) -> list[str]:
    """What the model was last told of the conversation, without the system prompt."""
    return [message.content for message in llm.requests[-1].messages if message.role != "system"]


async def test_the_next_connection_goes_on_with_it() -> None:
    llm = ScriptedLlm()
    async with serving(llm=llm) as served:
        async with VoiceClient.connect(served.url) as first:
            await first.send_text("My name is Ada.", audio=False)
            await first.turn()
            conversation_id = first.conversation_id
        async with VoiceClient.connect(served.url, conversation_id=conversation_id) as second:
            assert second.conversation_id == conversation_id
            await second.send_text("What is my name?", audio=False)
            await second.turn()
        assert said(llm) == ["My name is Ada.", "You said: My name is Ada.", "What is my name?"]


async def test_another_key_does_not_know_it() -> None:
    llm = ScriptedLlm()
    async with serving(llm=llm, api_keys=[KEY, OTHER_KEY]) as served:
        async with VoiceClient.connect(served.url, api_key=KEY) as first:
            await first.send_text("This is a secret.", audio=False)
            await first.turn()
        async with VoiceClient.connect(
            served.url, api_key=OTHER_KEY, conversation_id=first.conversation_id
        ) as second:
            assert (await frame_of(second, Error)).code == "unknown_conversation"
            assert second.conversation_id != first.conversation_id
            await second.send_text("What is the secret?", audio=False)
            await second.turn()
        assert said(llm) == ["What is the secret?"]


async def test_it_outlives_the_server(tmp_path: Path) -> None:
    llm, url = ScriptedLlm(), f"sqlite:///{tmp_path / 'new folder' / 'kept.db'}"
    async with serving(llm=llm, database_url=url) as served, VoiceClient.connect(served.url) as first:
        await first.send_text("My name is Ada.")
        await first.turn()
        conversation_id = first.conversation_id
    async with (
        serving(llm=llm, database_url=url) as served,
        VoiceClient.connect(served.url, conversation_id=conversation_id) as second,
    ):
        assert second.conversation_id == conversation_id
        await second.send_text("What is my name?", audio=False)
        await second.turn()
    assert said(llm) == ["My name is Ada.", "You said: My name is Ada.", "What is my name?"]


async def test_one_that_was_never_spoken_in_is_known_too() -> None:
    async with serving() as served:
        async with VoiceClient.connect(served.url) as first:
            pass
        async with VoiceClient.connect(served.url, conversation_id=first.conversation_id) as second:
            assert second.conversation_id == first.conversation_id
