/** The page at `/`: the element, and the choices it had the last time. */

import "./widget.js";

const REMEMBERED = ["mode", "language", "voice", "tts-provider", "stt-provider"];
const STORE = "voice-chat choices";

const chat = document.querySelector("voice-chat");

for (const [name, value] of Object.entries(recall())) {
  if (REMEMBERED.includes(name)) chat.setAttribute(name, value);
}

new MutationObserver(() => {
  const choices = REMEMBERED.filter((name) => chat.hasAttribute(name)).map((name) => [
    name,
    chat.getAttribute(name),
  ]);
  remember(Object.fromEntries(choices));
}).observe(chat, { attributeFilter: REMEMBERED });

function recall() {
  try {
    return JSON.parse(localStorage.getItem(STORE)) ?? {};
  } catch {
    return {}; // no storage, or something else's
  }
}

function remember(choices) {
  try {
    localStorage.setItem(STORE, JSON.stringify(choices));
  } catch {
    // The next visit begins with the defaults.
  }
}
