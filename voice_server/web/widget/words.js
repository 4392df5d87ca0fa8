/** Every sentence the element says by itself. */

/** The label of the round control. */
export function labelOf(state, { mode, isListening }) {
  const push = mode === "push";
  switch (state) {
    case "offline":
      return "Press to connect";
    case "connecting":
      return "Connecting";
    case "resuming":
      return "Connection lost, picking it up again";
    case "away":
      return "The server is away";
    case "locked":
      return "A key is needed";
    case "ended":
      return "Press to start again";
    case "warming":
    case "ready":
      return push ? "Hold and speak" : "Press and speak";
    case "listening":
      return push ? "Listening: release to send" : "Listening";
    case "thinking":
      return "Thinking";
    case "speaking":
      if (push) return "Speaking: hold to interrupt";
      return isListening ? "Speaking: press or just talk to interrupt" : "Speaking: press to interrupt";
  }
}

/** The word beside the dot. */
export const LINK_WORDS = {
  offline: "Not connected",
  connecting: "Connecting",
  warming: "Warming up",
  resuming: "Reconnecting",
  away: "Away",
  locked: "Key needed",
  ended: "Ended",
};

const STAGE_WORDS = {
  stt: "speech recognition",
  llm: "the language model",
  tts: "the voice",
  vad: "speech detection",
};

/** What `/api/health` says of the models: `[progress, failure]`, `{text, done, total}` or null, a sentence or null. */
export function warmingOf({ ready, stages = {} }) {
  const names = Object.keys(stages);
  const failed = names.find((name) => stages[name].startsWith("failed"));
  const failure = failed
    ? `${capital(stageWord(failed))} could not be loaded${reason(stages[failed])}`
    : null;
  const next = names.find((name) => stages[name] === "warming");
  if (ready || !next) return [null, failure];
  const done = names.filter((name) => stages[name] === "ready").length;
  return [
    { text: `Warming ${stageWord(next)}, ${done + 1} of ${names.length}`, done, total: names.length },
    failure,
  ];
}

const stageWord = (name) => STAGE_WORDS[name] ?? name;
const capital = (text) => text[0].toUpperCase() + text.slice(1);

function reason(said) {
  const sentence = said.replace(/^failed:?\s*/, "");
  return sentence ? `: ${sentence}` : ".";
}

/** Why the microphone or the sound does not work here, and what to do: `{code, message}`. */
export function explainSound(error) {
  if (!globalThis.isSecureContext) return INSECURE;
  switch (error?.name) {
    case "NotAllowedError":
      if (document.featurePolicy && !document.featurePolicy.allowsFeature("microphone")) {
        return {
          code: "microphone_forbidden",
          message:
            'The page around this frame keeps the microphone from it: its frame needs allow="microphone".',
        };
      }
      return {
        code: "microphone_blocked",
        message: "The microphone is blocked for this site. Allow it in the address bar, then press again.",
      };
    case "NotFoundError":
    case "OverconstrainedError":
      return {
        code: "microphone_absent",
        message: "No microphone was found. Plug one in and press again, or type below.",
      };
    case "NotReadableError":
      return {
        code: "microphone_busy",
        message:
          "The microphone does not answer; another program may hold it. Close that one, then press again.",
      };
    case "AbortError":
      return {
        code: "sound_blocked",
        message:
          "The sound module could not be loaded. " +
          `A Content-Security-Policy must allow script-src ${new URL(import.meta.url).origin}.`,
      };
    default:
      return {
        code: "sound_failed",
        message: `Sound does not work here (${error?.message ?? error}). Typing does.`,
      };
  }
}

export const INSECURE = {
  code: "insecure_page",
  message:
    "This page came over plain http, so the browser allows it neither microphone nor sound. " +
    "Open it over https or on localhost; until then you can type, and read the answers.",
};

export const MICROPHONE_LOST = {
  code: "microphone_lost",
  message: "The microphone was unplugged or taken away. Choose or plug in another, then press again.",
};

export const MICROPHONE_MUTED = {
  code: "microphone_muted",
  message:
    "The system has muted the microphone. Switch it on again on the headset or in the system settings.",
};

export const SOUND_HELD = {
  code: "sound_held",
  message: "The browser holds the sound back until you press anything on this page.",
};

export const HOLD_LONGER = {
  code: "hold_longer",
  message: "Hold it while you speak, and let go when you have finished.",
};

export const NEW_SESSION =
  "The connection was away too long for the session to wait. What was under way is lost; the conversation goes on.";

export function keyNeeded(address) {
  return {
    code: "key_needed",
    message: `${new URL(address).host} asks for a key. It is kept in this tab only, until you close it.`,
  };
}

export function away(address, isCrowded, answersHttp) {
  const { host } = new URL(address);
  if (isCrowded)
    return { code: "server_full", message: `The server at ${host} is full. Trying again every few seconds.` };
  if (!answersHttp)
    return { code: "server_away", message: `Nothing answers at ${host}. Trying again every few seconds.` };
  return {
    code: "socket_refused",
    message:
      `The server answers, but not at ${address}: it may be starting, its port may be closed, ` +
      `or ${location.origin} is missing in its list of allowed origins. Trying again every few seconds.`,
  };
}

/** A close that is not a drop. */
export function closed(code, why) {
  switch (code) {
    case 4429:
      return {
        code: "too_many_sessions",
        message: "This key has as many sessions open as it may. End one, then press again.",
      };
    case 1009:
      return {
        code: "too_big",
        message: "A message was larger than the server takes. Press to start again.",
      };
    case 1000:
      return {
        code: "session_ended",
        message: why ? `The session has ended: ${why}` : "The session has ended.",
      };
    default:
      return {
        code: "closed",
        message: `The server closed the session${why ? `: ${why}` : ` (code ${code})`}. Press to start again.`,
      };
  }
}

export function badAddress(address) {
  const insecure = location.protocol === "https:" && String(address).startsWith("ws:");
  return insecure
    ? {
        code: "mixed_content",
        message: `This page is https, so the server must be reached by wss, not ${address}.`,
      }
    : {
        code: "bad_address",
        message: `${address} is no WebSocket address. It should look like wss://voice.example.`,
      };
}

export function noDiscovery(address) {
  return {
    code: "server_away",
    message: `Nothing answers at ${new URL(address).host}. Trying again every few seconds; does the server run?`,
  };
}

export function otherVoice(name) {
  return { code: "voice_replaced", message: `That voice is not available here; ${name} speaks instead.` };
}
