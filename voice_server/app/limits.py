"""The settings as the small frozen objects that each room takes its numbers from."""

from voice_server.core.caller import Tier
from voice_server.dialects.native.limits import FrameLimits
from voice_server.gateway.limits import GatewayLimits
from voice_server.providers.resilient.policy import Deadlines as ProviderDeadlines
from voice_server.providers.resilient.policy import Policy
from voice_server.rest.context import RestLimits
from voice_server.services.chat import ChatDefaults
from voice_server.services.rates import Allowed
from voice_server.services.speech import SpeechLimits
from voice_server.services.usage import Allowances
from voice_server.session.limits import Deadlines, SessionLimits
from voice_server.settings import Settings


def gateway_limits(settings: Settings) -> GatewayLimits:
    """The gateway's part of the settings."""
    limits = settings.limits
    return GatewayLimits(
        handshake_s=limits.handshake_s,
        init_s=limits.init_s,
        connections_per_address=limits.connections_per_address,
        connections=limits.connections,
        control_frames_per_s=limits.control_frames_per_s,
        control_burst=limits.control_burst,
        slow_reader_s=limits.slow_reader_s,
        message_bytes=limits.clip_frame_bytes,
        unauthenticated_bytes=limits.unauthenticated_bytes,
        ping_s=limits.ping_s,
        dead_after_s=limits.dead_after_s,
        protocol_errors=limits.protocol_errors,
        protocol_errors_s=limits.protocol_errors_s,
    )


def frame_limits(settings: Settings) -> FrameLimits:
    """The native wire's part of the settings."""
    limits = settings.limits
    return FrameLimits(limits.control_bytes, limits.audio_frame_bytes, limits.clip_frame_bytes)


def rest_limits(settings: Settings) -> RestLimits:
    """The REST API's part of the settings."""
    limits = settings.limits
    return RestLimits(
        limits.rest_json_bytes,
        limits.rest_audio_bytes,
        limits.rest_upload_bytes,
        limits.clip_frame_bytes,
        limits.unauthenticated_bytes,
    )


def session_limits(settings: Settings) -> SessionLimits:
    """The sessions' part of the settings."""
    limits = settings.limits
    return SessionLimits(
        idle_ms=limits.idle_s * 1000,
        longest_ms=limits.session_max_min * 60_000,
        warn_before_end_ms=limits.warn_before_end_s * 1000,
        resume_window_ms=limits.resume_window_s * 1000,
        replay_bytes=limits.replay_bytes,
        replay_ms=limits.replay_s * 1000,
        input_ahead_ms=limits.input_ahead_s * 1000,
        output_ahead_ms=limits.output_ahead_s * 1000,
        input_stall_ms=limits.input_stall_ms,
        saving_ms=limits.saving_ms,
        tool_bridge_ms=settings.tools.bridge_ms,
        clips_waiting=limits.clips_waiting,
        utterance_s=limits.clip_s,
    )


def sessions_per_owner(settings: Settings) -> dict[Tier, int]:
    """How many sessions somebody may have at once."""
    return {tier: getattr(settings.limits.sessions, tier.value) for tier in Tier}


def session_deadlines(settings: Settings) -> Deadlines:
    """How long a tool may take, and a caller hear nothing."""
    deadlines = settings.deadlines
    return Deadlines(
        tool_ms=deadlines.tool_s * 1000,
        silence_ms=deadlines.silence_s * 1000,
        filler_ms=deadlines.filler_s * 1000,
    )


def chain_policy(settings: Settings) -> Policy:
    """How chains of providers deal with trouble."""
    last, switching, rules = settings.deadlines, settings.switching, settings.resilience
    return Policy(
        last=ProviderDeadlines(
            stt_final_ms=last.stt_final_s * 1000,
            llm_first_token_ms=last.llm_first_token_s * 1000,
            llm_gap_ms=last.llm_gap_s * 1000,
            tts_first_audio_ms=last.tts_first_audio_s * 1000,
            tts_gap_ms=last.tts_gap_s * 1000,
        ),
        switching=ProviderDeadlines(
            stt_partial_ms=switching.stt_partial_s * 1000,
            stt_final_ms=switching.stt_final_s * 1000,
            llm_first_token_ms=switching.llm_first_token_s * 1000,
            tts_first_audio_ms=switching.tts_first_audio_s * 1000,
            tts_gap_ms=switching.tts_gap_s * 1000,
        ),
        retries=rules.retries,
        retry_wait_ms=rules.retry_wait_s * 1000,
        breaker_failures=rules.breaker_failures,
        breaker_window_ms=rules.breaker_window_s * 1000,
        busy_wait_ms=rules.busy_wait_s * 1000,
        hedge_ms=rules.hedge_s * 1000 or None,
    )


def chat_defaults(settings: Settings) -> ChatDefaults:
    """The typed turns' part of the settings."""
    chat = settings.chat
    return ChatDefaults(
        chat.system_prompt,
        temperature=chat.temperature,
        max_tokens=chat.max_tokens,
        history_chars=chat.history_chars,
        message_chars=chat.message_chars,
        strict=settings.strict,
    )


def speech_limits(settings: Settings) -> SpeechLimits:
    """The part of the settings for speech without a conversation."""
    limits, deadlines = settings.limits, settings.deadlines
    return SpeechLimits(
        clip_s=limits.clip_s,
        text_chars=limits.speech_chars,
        at_once=limits.speech_requests,
        stt_final_ms=deadlines.stt_final_s * 1000,
        tts_first_audio_ms=deadlines.tts_first_audio_s * 1000,
        tts_gap_ms=deadlines.tts_gap_s * 1000,
    )


def allowed_requests(settings: Settings) -> dict[Tier, Allowed]:
    """How often somebody may ask."""
    limits = settings.limits
    return {
        tier: Allowed(
            getattr(limits.requests_per_minute, tier.value), getattr(limits.requests_per_day, tier.value)
        )
        for tier in Tier
    }


def allowances(settings: Settings) -> Allowances:
    """How much somebody may use."""
    limits = settings.limits
    minutes = {tier: getattr(limits.audio_minutes_per_day, tier.value) for tier in Tier}
    return Allowances(minutes, limits.budget_warning)
