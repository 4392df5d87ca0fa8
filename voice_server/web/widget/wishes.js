/** What the attributes ask of a session, as the frames `init` and `configure` say it. */

import { TURN_MODES } from "./talk.js";

export function hello(settings, conversationId) {
  return {
    conversation_id: conversationId ?? undefined,
    ...wishes(settings),
    input_audio: { format: "pcm16", sample_rate: 16000, channels: 1 },
    output_audio: { format: "pcm16", sample_rate: 24000, transport: "binary" },
    client_info: { name: "voice-chat element", protocol: "1" },
  };
}

export function wishes({ language, voice, ttsProvider, sttProvider, mode }) {
  return {
    language_code: language ?? undefined,
    tts_voice: voice ?? undefined,
    tts_provider: ttsProvider ?? undefined,
    stt_provider: sttProvider ?? undefined,
    turn_detection: { mode: TURN_MODES[mode] },
  };
}
