/** The choices of the menu: language, voice, providers. A choice with one possibility is no choice and not shown. */

import { make } from "./template.js";

/**
 * Draws the choices into `root`.
 *
 * `discovered` is the discovery document, `chosen` is `{language, voice, ttsProvider, sttProvider}` with nulls for
 * what was never chosen; `choose(changes)` is called with some of these.
 */
export function drawChoices(root, discovered, chosen, choose) {
  const { tts = {}, stt = {}, languages = [], defaults = {} } = discovered;
  const ttsProvider = chosen.ttsProvider ?? defaults.tts_provider ?? Object.keys(tts.providers ?? {})[0];
  const voicesOf = (provider) => (tts.voices ?? []).filter((voice) => voice.provider === provider);
  const usual = (provider) => defaults[`${provider}_voice`] ?? voicesOf(provider)[0]?.id ?? null;
  const selects = [
    select(
      "Language",
      languages.map(({ code, name }) => [code, name]),
      chosen.language ?? defaults.language,
      (language) => choose({ language }),
    ),
    select("Voice", voicesOf(ttsProvider).map(voiceEntry), chosen.voice ?? usual(ttsProvider), (voice) =>
      choose({ voice, ttsProvider }),
    ),
    // A voice belongs to its provider, so another provider brings its usual voice along.
    select("Speech by", Object.entries(tts.providers ?? {}), ttsProvider, (provider) =>
      choose({ ttsProvider: provider, voice: usual(provider) }),
    ),
    select(
      "Transcript by",
      Object.entries(stt.providers ?? {}),
      chosen.sttProvider ?? defaults.stt_provider,
      (sttProvider) => choose({ sttProvider }),
    ),
  ];
  root.replaceChildren(...selects.filter(Boolean));
}

const voiceEntry = ({ id, name, gender }) => [id, gender ? `${name} (${gender})` : name];

function select(title, entries, value, onChoose) {
  if (entries.length < 2) return null;
  const options = entries.map(([id, name]) =>
    make("option", { value: id, textContent: name, selected: id === value }),
  );
  const box = make("select", {}, ...options);
  box.addEventListener("change", () => onChoose(box.value));
  return make("label", { className: "choice" }, make("span", { textContent: title }), box);
}
