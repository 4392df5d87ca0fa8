"""The formats of what comes in and goes out, and what a caller may wish about them."""

from collections.abc import Sequence

from voice_server.audio.format import InputEncoding, InputFormat, OutputEncoding, OutputFormat
from voice_server.audio.incoming import open_decoder
from voice_server.audio.outgoing import check_output_format
from voice_server.core.wire import Clip, InputAudioChanges, OutputAudioChanges
from voice_server.errors import AudioError, ProtocolError

TRANSPORTS = ("json", "binary")


def changed_input(current: InputFormat, changes: InputAudioChanges | None) -> InputFormat:
    """The input format with the wishes granted.

    Raises:
        ProtocolError: an unknown format, or a rate or number of channels that makes no sense.
    """
    if changes is None:
        return current
    try:
        encoding = InputEncoding(changes.format) if changes.format is not None else current.encoding
    except ValueError:
        raise _unknown_format("input_audio", changes.format, list(InputEncoding)) from None
    wished = InputFormat(
        encoding,
        changes.sample_rate if changes.sample_rate is not None else current.rate_hz,
        changes.channels if changes.channels is not None else current.channels,
    )
    try:
        open_decoder(wished)
    except AudioError as error:
        raise ProtocolError(error.message, code="bad_format") from error
    return wished


def changed_output(
    current: OutputFormat, transport: str, changes: OutputAudioChanges | None
) -> tuple[OutputFormat, str]:
    """The output format and its transport with the wishes granted.

    Raises:
        ProtocolError: an unknown format or transport, or a rate that makes no sense.
    """
    if changes is None:
        return current, transport
    try:
        encoding = OutputEncoding(changes.format) if changes.format is not None else current.encoding
    except ValueError:
        raise _unknown_format("output_audio", changes.format, list(OutputEncoding)) from None
    rate_hz = changes.sample_rate if changes.sample_rate is not None else current.rate_hz
    if encoding is OutputEncoding.MULAW and changes.sample_rate is None:
        rate_hz = 8_000  # the only rate it has
    wished = OutputFormat(encoding, rate_hz)
    try:
        check_output_format(wished)
    except AudioError as error:
        raise ProtocolError(error.message, code="bad_format") from error
    transport = changes.transport if changes.transport is not None else transport
    if transport not in TRANSPORTS:
        raise _unknown_format("output_audio.transport", transport, list(TRANSPORTS))
    return wished, transport


def declared(clip: Clip) -> InputFormat | None:
    """The format that a recording is said to have; None where its content says more."""
    if clip.format is None:
        return None
    try:
        encoding = InputEncoding(clip.format)
    except ValueError:
        return None  # a container's name
    return InputFormat(encoding, clip.sample_rate if clip.sample_rate is not None else 16_000)


def _unknown_format(field: str, wished: object, known: Sequence[str]) -> ProtocolError:
    return ProtocolError(f"{field} '{wished}' is not known; it may be {', '.join(known)}.", code="bad_format")
