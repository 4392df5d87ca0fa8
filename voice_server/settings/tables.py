"""The tables of settings. The sentence under a field is its documentation."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from voice_server.settings.kinds import OptionalFile

KIB, MIB = 1024, 1024 * 1024

Seconds = Annotated[float, Field(gt=0, le=86_400)]
SecondsOrOff = Annotated[float, Field(ge=0, le=86_400)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Size = Annotated[int, Field(ge=1, le=1024 * MIB)]


class Table(BaseModel):
    """A group of settings that cannot be changed once read."""

    # The input is hidden because it may be a key, and validation errors end up in logs.
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        validate_default=True,
    )


class TurnDetection(Table):
    """When a turn of the user begins and ends, unless the client asks for something else."""

    mode: Literal["semantic", "vad", "manual"] = "semantic"
    """`semantic` also listens for whether the sentence is complete, `vad` waits for silence only, `manual`
    waits for the client's word."""
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """How sure the voice activity detector must be that somebody speaks."""
    silence_ms: Annotated[int, Field(ge=50, le=10_000)] = 500
    """Silence that ends a turn."""
    prefix_ms: Annotated[int, Field(ge=0, le=5_000)] = 300
    """Audio kept from before speech was noticed, so that no first syllable is lost."""
    interrupt: bool = True
    """Whether speech cuts a reply that plays."""
    suppress_noise: bool = False
    """Take noise out of live audio before it is listened to (RNNoise; needs the extra `noise`)."""
    early_starts: Annotated[int, Field(ge=0, le=10)] = 2
    """How often per utterance the language model may begin before it is certain that the user has finished.
    What it wrote is dropped, unseen but paid for, if the user goes on."""


class SessionsPerKey(Table):
    """Sessions at once per API key, by its tier."""

    free: Count = 2
    """Sessions at once for a key of the free tier."""
    basic: Count = 10
    """Sessions at once for a key of the basic tier."""
    pro: Count = 50
    """Sessions at once for a key of the pro tier."""
    enterprise: Count = 250
    """Sessions at once for a key of the enterprise tier."""


class RequestsPerMinute(Table):
    """REST requests of one API key in any minute, by its tier."""

    free: Count = 10
    """Requests a minute for a key of the free tier."""
    basic: Count = 60
    """Requests a minute for a key of the basic tier."""
    pro: Count = 120
    """Requests a minute for a key of the pro tier."""
    enterprise: Count = 500
    """Requests a minute for a key of the enterprise tier."""


class RequestsPerDay(Table):
    """REST requests of one API key in any 24 hours, by its tier."""

    free: Count = 100
    """Requests a day for a key of the free tier."""
    basic: Count = 1_000
    """Requests a day for a key of the basic tier."""
    pro: Count = 5_000
    """Requests a day for a key of the pro tier."""
    enterprise: Count = 50_000
    """Requests a day for a key of the enterprise tier."""


class AudioMinutesPerDay(Table):
    """Minutes of speech that are transcribed for one API key on a day (UTC), by its tier."""

    free: Count = 30
    """Minutes of speech a day for a key of the free tier."""
    basic: Count = 300
    """Minutes of speech a day for a key of the basic tier."""
    pro: Count = 3_000
    """Minutes of speech a day for a key of the pro tier."""
    enterprise: Count = 30_000
    """Minutes of speech a day for a key of the enterprise tier."""


class Limits(Table):
    """What one client, one address and one process may take."""

    handshake_s: Seconds = 10
    """A WebSocket handshake must be done within this."""
    init_s: Seconds = 5
    """Where keys are required, a valid `init` must come within this."""
    connections_per_address: Count = 256
    """Connections at once from one network address."""
    connections: Count = 1000
    """Connections at once in all."""
    sessions: SessionsPerKey = SessionsPerKey()
    requests_per_minute: RequestsPerMinute = RequestsPerMinute()
    requests_per_day: RequestsPerDay = RequestsPerDay()
    audio_minutes_per_day: AudioMinutesPerDay = AudioMinutesPerDay()
    budget_warning: Annotated[float, Field(gt=0, le=1)] = 0.8
    """The share of a key's monthly budget from which on its holder is warned."""
    control_frames_per_s: Annotated[float, Field(gt=0, le=100_000)] = 20
    """Control frames (all but audio) per second of one connection."""
    control_burst: Count = 40
    """Control frames that may come at once."""
    slow_reader_s: Seconds = 10
    """A client that takes nothing for this long while frames wait for it is let go."""
    clip_s: Seconds = 300
    """Longest recorded clip, decoded; also the longest live speech without a pause, or without a commit."""
    clips_waiting: Count = 8
    """Recorded clips of one session that may wait for their turns to begin; more are refused."""
    control_bytes: Size = 64 * KIB
    """Largest control frame a client may send."""
    audio_frame_bytes: Size = 256 * KIB
    """Largest binary frame or `audio_chunk` a client may send."""
    clip_frame_bytes: Size = 16 * MIB
    """Largest `audio` frame (a whole recorded clip) a client may send."""
    unauthenticated_bytes: Size = 320 * KIB
    """What a connection may send in all before its key is known, where keys are required."""
    ping_s: Seconds = 20
    """Time between WebSocket pings."""
    dead_after_s: Seconds = 40
    """A connection that sends nothing at all for this long is dead."""
    idle_s: Seconds = 120
    """A session without any frame for this long is ended."""
    session_max_min: Annotated[float, Field(gt=0, le=1440)] = 60
    """A session older than this many minutes is ended."""
    warn_before_end_s: Seconds = 30
    """How long before a session is ended for idleness or age its client is told."""
    resume_window_s: Seconds = 30
    """How long a dropped connection may be resumed."""
    replay_bytes: Size = 4 * MIB
    """Frames kept for a resume, in bytes; `replay_s` bounds them too."""
    replay_s: Seconds = 30
    """Frames kept for a resume, in seconds; `replay_bytes` bounds them too."""
    protocol_errors: Count = 10
    """Malformed frames within `protocol_errors_s` that end a connection."""
    protocol_errors_s: Seconds = 10
    """The window in which `protocol_errors` are counted."""
    input_ahead_s: Seconds = 2
    """Live input faster than real time is taken this far ahead, then throttled."""
    output_ahead_s: Seconds = 2
    """Reply audio is sent at most this far ahead of real time."""
    input_stall_ms: Annotated[int, Field(ge=20, le=10_000)] = 300
    """An open input stream that sends nothing for this long counts as silence from then on."""
    saving_ms: Annotated[int, Field(ge=1, le=60_000)] = 250
    """A transcript or a reply's text waits this long for the database; then it is told, with `not_saved`."""
    callers_remembered: Count = 10_000
    """Callers (by owner and user id) whose pauses are remembered, also in the database; the one not heard for
    longest is forgotten first."""
    rest_json_bytes: Size = 1 * MIB
    """Largest JSON body of a REST request."""
    rest_audio_bytes: Size = 32 * MIB
    """Largest REST body with audio in base64."""
    rest_upload_bytes: Size = 32 * MIB
    """Largest uploaded file."""
    speech_chars: Annotated[int, Field(ge=1, le=1_000_000)] = 5_000
    """Longest text that a REST request may have spoken, in characters."""
    speech_requests: Count = 16
    """REST requests that are transcribed or spoken at once."""
    search_wait_s: Seconds = 2
    """How long a search waits for what was just written to be found by its meaning; it is found by its words
    at once."""
    drain_s: Annotated[float, Field(ge=0, le=3600)] = 20
    """When the server is told to stop, replies under way get this long to finish."""

    @model_validator(mode="after")
    def _pings_keep_alive(self) -> Self:
        if self.dead_after_s <= self.ping_s:
            raise ValueError(
                f"dead_after_s ({self.dead_after_s:g}) must be more than ping_s ({self.ping_s:g}), "
                "or every quiet connection is taken for dead"
            )
        return self


class Chat(Table):
    """Typed turns over the REST API. Spoken ones have settings of their own."""

    system_prompt: str = (
        "You are a helpful assistant. Answer what was asked, accurately and without padding. You have no "
        "live data: no news, no weather, no clock. When you do not know something, say so."
    )
    """What the language model is told before a typed turn, unless the conversation has its own prompt."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.5
    """How freely the language model chooses its words, unless the request says else."""
    max_tokens: Annotated[int, Field(ge=1, le=32_768)] = 1024
    """Longest reply, in tokens of the language model, unless the request says else."""
    history_chars: Annotated[int, Field(ge=0, le=10_000_000)] = 16_000
    """How much of a conversation the language model is shown, its newest part; less, if it can read less."""
    message_chars: Annotated[int, Field(ge=1, le=500_000)] = 32_000
    """Longest message."""


class Deadlines(Table):
    """How long a stage of a turn may say nothing, where no other provider could take over."""

    stt_final_s: Seconds = 10
    """From the end of speech to the final transcript; speech of more than 10 s gets a tenth of the rest on
    top."""
    llm_first_token_s: Seconds = 20
    """From the prompt to the first word of the language model."""
    llm_gap_s: Seconds = 10
    """Between two pieces of the language model's reply."""
    tts_first_audio_s: Seconds = 10
    """From a text to the first audio of its speech."""
    tts_gap_s: Seconds = 10
    """Between two pieces of audio of one text."""
    tool_s: Seconds = 30
    """From a tool call to its result."""
    silence_s: SecondsOrOff = 3
    """A caller who waits and has heard nothing for this long is told to wait, aloud where that was rendered
    before, else by an error frame; again and again. 0 is never."""
    filler_s: SecondsOrOff = 0
    """The same, earlier and shorter (`Let me see.`), once a turn; 0 is never."""


class Switching(Table):
    """How long a stage may say nothing while another provider of its chain could take over."""

    stt_partial_s: Seconds = 4
    """From the beginning of speech to the first partial transcript, of a recogniser that has partials."""
    stt_final_s: Seconds = 2
    """From the end of speech to the final transcript; speech of more than 10 s gets a tenth of the rest on
    top."""
    llm_first_token_s: Seconds = 2
    """From the prompt to the first word of the language model."""
    tts_first_audio_s: Seconds = 1.5
    """From a text to the first audio of its speech."""
    tts_gap_s: Seconds = 1.5
    """Between two pieces of audio of one text."""


class Resilience(Table):
    """What is done about providers that fail."""

    retries: Annotated[int, Field(ge=0, le=10)] = 1
    """How often a provider is asked again, if nothing came of the call and its deadline leaves the time."""
    retry_wait_s: Seconds = 0.2
    """About how long to wait before that, doubled each time; what the provider asks for comes first."""
    breaker_failures: Count = 3
    """After so many failures in a row a provider is left alone, for all sessions."""
    breaker_window_s: Seconds = 15
    """For this long; then one call tries it, and if that fails the next window begins."""
    busy_wait_s: Seconds = 0.3
    """A call over a vendor's `concurrency` waits this long, then the next provider of the chain is asked."""
    hedge_s: SecondsOrOff = 0
    """A language model that has said nothing for this long is raced by the next of the chain; 0 is never."""
    prerender: bool = True
    """Have a few sentences, such as apologies, spoken in advance for each voice and language in use, so that
    they can be heard when nothing else can."""


class Recording(Table):
    """What of sessions is kept for `voice-server replay`. It holds what was said, so it is off by default."""

    folder: OptionalFile = None
    """Folder of the recordings, a file a session; empty records nothing. They hold what callers and the
    server said, in words and sound; only the server's own user may read them."""
    audio: bool = True
    """Keep the sound too, about 3 MB a minute of the caller's stream and 4 MB a minute of replies; without
    it, the words and what was decided."""
    session_mb: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Largest recording of one session; there it ends, and the session goes on."""
    total_mb: Annotated[int, Field(ge=1, le=10_000_000)] = 2048
    """All recordings together; the oldest are deleted to make room."""
    keep_days: Annotated[float, Field(ge=0, le=36_500)] = 30
    """Recordings older than this are deleted; 0 keeps them while there is room."""
    lines_waiting: Annotated[int, Field(ge=100, le=1_000_000)] = 2_000
    """Events and seconds of sound that may wait for a slow disk; when it is slower, recordings end."""
