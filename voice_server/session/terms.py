"""On what terms a session goes on: what was chosen last, for all of it and for one turn."""

from dataclasses import replace

from voice_server.audio.format import InputFormat
from voice_server.core import commands as do
from voice_server.core.wire import Changes, InputAudioChanges
from voice_server.session.choice import Choice
from voice_server.session.chooser import Chooser
from voice_server.session.formats import changed_input
from voice_server.session.prompts import Templates, own_prompt, replacing, with_own_prompt, with_prompt


class Terms:
    """The choice in force.

    Args:
        conversation: what the conversation wishes for.
        session: what the caller wishes for.
        templates: of this owner.
    """

    def __init__(
        self,
        chooser: Chooser,
        default: Choice,
        conversation: Changes,
        session: Changes,
        templates: Templates | None,
        owner: str,
    ) -> None:
        self._chooser = chooser
        self._templates = templates
        self._owner = owner
        self._own = own_prompt(default.system_prompt, session)
        self._of_utterance: dict[int, Choice] = {}  # where it is not the session's own
        first = chooser.apply(default, conversation)
        choice = chooser.apply(first, session)
        self.choice = replace(choice, notes=first.notes + choice.notes)

    async def change(self, changes: Changes) -> None:
        """Go on with these changes.

        Raises:
            ProtocolError: they make no sense, or a strict server does not grant them.
        """
        changes = await with_prompt(changes, self._templates, self._owner)
        self.choice = self._chooser.apply(self.choice, changes)

    async def configure(self, changes: Changes) -> None:
        """The same, as the caller's own wish, which a change of conversation does not undo.

        Raises:
            ProtocolError: they make no sense, or a strict server does not grant them.
        """
        changes = await with_prompt(changes, self._templates, self._owner)
        await self.change(changes)
        self._own = replacing(self._own, changes)

    async def join(self, wishes: Changes) -> None:
        """Go on in a conversation that has wishes of its own.

        Raises:
            ProtocolError: they make no sense, or a strict server does not grant them.
        """
        await self.change(replacing(self._own, await with_own_prompt(wishes, self._templates, self._owner)))

    def take_input(self, changes: InputAudioChanges | None) -> InputFormat:
        """The format of an input stream that begins now.

        Raises:
            ProtocolError: it is not known, or makes no sense.
        """
        form = changed_input(self.choice.input, changes)
        self.choice = replace(self.choice, input=form)
        return form

    def check(self, changes: Changes) -> None:
        """See whether wishes for one turn can be granted.

        Raises:
            ProtocolError: they make no sense, or a strict server does not grant them.
        """
        self._chooser.apply(self.choice, changes)

    def of_recording(self, changes: Changes) -> Choice:
        """The choice for a recording with wishes of its own.

        Raises:
            ProtocolError: they make no sense, or a strict server does not grant them.
        """
        # Some clients name a language in each recording, asked or not: none is lost for that.
        return self._chooser.apply(self.choice, changes, refuses_languages=False)

    def keep(self, utterance: int, choice: Choice) -> None:
        """An utterance is to be answered on terms of its own."""
        self._of_utterance[utterance] = choice

    def of_reply(self, command: do.StartReply) -> Choice:
        """The choice for a reply: its utterance's, with the model it is to have, in the language heard."""
        choice = self.choice
        if command.utterance is not None:
            choice = self._of_utterance.pop(command.utterance, choice)
        choice = self._chooser.apply(choice, Changes(model=command.options.model))
        if command.language is not None:
            choice = self._chooser.answering(choice, command.language)
        return choice
