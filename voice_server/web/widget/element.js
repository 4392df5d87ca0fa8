/**
 * The custom element: its attributes, events and methods, and how the parts hang together.
 *
 * `session.js` holds the conversation with the server; here it meets the microphone, the loudspeaker and the page.
 */

import { Hands } from "./hands.js";
import { LevelRing } from "./ring.js";
import { Log } from "./log.js";
import { drawChoices } from "./menu.js";
import { Session } from "./session.js";
import { styleSheet } from "./style.js";
import { build } from "./template.js";
import { LINK_WORDS, labelOf } from "./words.js";

const LINK_KINDS = {
  warming: "slow",
  resuming: "slow",
  away: "bad",
  locked: "bad",
  connecting: "",
  offline: "",
  ended: "",
};
const CHOICES = {
  language: "language",
  voice: "voice",
  ttsProvider: "tts-provider",
  sttProvider: "stt-provider",
};

export class VoiceChat extends HTMLElement {
  static observedAttributes = ["url", "token", "mode", ...Object.values(CHOICES)];

  #parts;
  #log;
  #ring;
  #hands;
  #session;
  #leaving = null; // an AbortController for listeners outside the element
  #settings = false; // attributes have changed and the session is to be told

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [styleSheet()];
    this.#parts = build(root);
    this.#log = new Log(this.#parts.log);
    this.#session = new Session({
      settings: () => this.#readSettings(),
      changed: () => this.#update(),
      sounded: () => this.#ring.wake(),
      turn: (turn) => this.#showTurn(turn),
      draft: (text) => this.#showDraft(text),
      divide: (text) => this.#log.divide(text),
      notice: (kind, text) => this.#showNotice(kind, text),
      warming: (progress) => this.#showWarming(progress),
      discovered: (document) => this.#showChoices(document),
      event: (name, detail) => this.dispatchEvent(new CustomEvent(name, { detail })),
    });
    this.#ring = new LevelRing(this.#parts.canvas, this.#parts.control, () => this.#session.levels);
    this.#hands = new Hands(
      this.#parts.control,
      () => this.#session.mode === "push" && this.#session.isUsable,
      {
        tap: () => this.#session.tap(),
        press: () => this.#session.press(),
        release: () => this.#session.release(),
      },
    );
    this.#listen();
  }

  // What the page may ask and read.

  /** Opens the session, if it is not open. Nothing is recorded before a person presses the control. */
  connect() {
    this.#session.connect();
  }

  /** Ends the session and lets the microphone go. */
  disconnect() {
    this.#session.disconnect();
  }

  /** Sends a typed message; a reply that plays is cut. */
  say(text) {
    this.#session.say(String(text));
  }

  /** Stops the reply that plays or is being made. */
  stop() {
    this.#session.stop();
  }

  /** `offline connecting locked warming ready listening thinking speaking resuming away ended`. */
  get state() {
    return this.#session.state;
  }

  /** Copies of the turns so far: `{user, reply, heard, interrupted, metrics}`. */
  get turns() {
    return this.#session.turns.map(({ user, reply, heard, interrupted, metrics }) => ({
      user,
      reply,
      heard,
      interrupted,
      metrics,
    }));
  }

  /** RMS (0 to 1) of the last 50 ms that the playback worklet has emitted. */
  get outputLevel() {
    return this.#session.levels.theirs;
  }

  /** `performance.now()` when the playback worklet last emitted something above silence; 0 before. */
  get lastAudibleAt() {
    return this.#session.lastAudibleAt;
  }

  // The element's life.

  connectedCallback() {
    this.#leaving = new AbortController();
    const { signal } = this.#leaving;
    this.#hands.spaceBar(this.hasAttribute("shortcut") ? document : this, signal);
    document.addEventListener("visibilitychange", () => document.hidden || this.#session.wake(), { signal });
    addEventListener("online", () => this.#session.wake(), { signal });
    addEventListener("blur", () => this.#hands.letGo(), { signal });
    addEventListener("pagehide", () => this.disconnect(), { signal });
    addEventListener("pageshow", (event) => event.persisted && this.connect(), { signal });
    document.addEventListener("pointerdown", (event) => this.#closeMenuUnless(event), { signal });
    // Any gesture lets sound begin, whatever it was for; capture, so that nobody stops it before.
    for (const name of ["pointerdown", "keydown"]) {
      document.addEventListener(name, () => this.#session.gesture(), { capture: true, signal });
    }
    this.connect();
    this.#update();
  }

  disconnectedCallback() {
    this.#leaving.abort();
    this.#ring.rest();
    this.#session.disconnect();
  }

  attributeChangedCallback(name, before, after) {
    if (before === after || !this.isConnected) return;
    if (["url", "token"].includes(name)) {
      this.#session.reconnect();
    } else if (!this.#settings) {
      this.#settings = true; // two attributes set together are one change
      queueMicrotask(() => {
        this.#settings = false;
        this.#session.configure();
      });
    }
  }

  #readSettings() {
    const choices = Object.entries(CHOICES).map(([name, attribute]) => [name, this.getAttribute(attribute)]);
    return {
      url: this.getAttribute("url"),
      token: this.getAttribute("token"),
      mode: this.getAttribute("mode") === "push" ? "push" : "open",
      ...Object.fromEntries(choices),
    };
  }

  #listen() {
    const parts = this.#parts;
    parts.composer.addEventListener("submit", (event) => {
      event.preventDefault();
      this.say(parts.text.value.trim());
      parts.text.value = "";
    });
    parts.text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      parts.composer.requestSubmit();
    });
    parts.keyForm.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#session.useKey(parts.keyInput.value.trim());
      parts.keyInput.value = "";
    });
    parts.openSwitch.addEventListener("change", () =>
      this.setAttribute("mode", parts.openSwitch.checked ? "open" : "push"),
    );
    parts.settings.addEventListener("click", () => this.#openMenu(parts.menu.hidden));
    parts.launcher.addEventListener("click", () => this.#openPanel(!this.hasAttribute("open")));
    parts.close.addEventListener("click", () => this.#openPanel(false));
    parts.panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      if (!parts.menu.hidden) this.#openMenu(false);
      else if (this.getAttribute("variant") === "bubble") this.#openPanel(false);
    });
  }

  // What the session says, drawn.

  #update() {
    const { control, label, link, linkWords, openSwitch, panel, keyForm } = this.#parts;
    const { state, mode, isListening } = this.#session;
    panel.dataset.state = state;
    panel.dataset.mode = mode;
    panel.toggleAttribute("data-empty", this.#log.isEmpty);
    setText(label, labelOf(state, { mode, isListening }));
    link.dataset.link = LINK_KINDS[state] ?? "good";
    setText(linkWords, LINK_WORDS[state] ?? "Ready");
    control.setAttribute("aria-label", "Microphone");
    control.setAttribute("aria-pressed", String(isListening));
    control.toggleAttribute("data-held", mode === "push" && isListening);
    openSwitch.checked = mode === "open";
    keyForm.hidden = state !== "locked";
    this.#ring.wake();
  }

  #showTurn(turn) {
    this.#log.turn(turn);
    // A spoken reply is heard; a silent one is read out by whoever reads the page aloud.
    if (turn.over && !turn.spoken && turn.reply) setText(this.#parts.announcer, turn.reply);
    this.#parts.panel.toggleAttribute("data-empty", this.#log.isEmpty);
  }

  #showDraft(text) {
    this.#log.draft(text);
    this.#parts.panel.toggleAttribute("data-empty", this.#log.isEmpty);
  }

  #showNotice(kind, text) {
    this.#parts.notice.dataset.kind = kind;
    setText(this.#parts.notice, text);
  }

  #showWarming(progress) {
    const { warming, warmingWords, progress: bar } = this.#parts;
    warming.hidden = progress === null;
    if (!progress) return;
    setText(warmingWords, progress.text);
    bar.max = progress.total;
    bar.value = progress.done;
  }

  #showChoices(discovered) {
    drawChoices(this.#parts.choices, discovered, this.#readSettings(), (changes) => {
      for (const [name, value] of Object.entries(changes)) this.#reflect(CHOICES[name], value);
      this.#showChoices(discovered);
    });
  }

  #reflect(attribute, value) {
    if (value === null) this.removeAttribute(attribute);
    else this.setAttribute(attribute, value);
  }

  #openMenu(isOpen) {
    const { menu, settings } = this.#parts;
    menu.hidden = !isOpen;
    settings.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) menu.querySelector("select")?.focus();
    else settings.focus();
  }

  #closeMenuUnless(event) {
    const { menu, settings } = this.#parts;
    const path = event.composedPath();
    if (menu.hidden || path.includes(menu) || path.includes(settings)) return;
    menu.hidden = true;
    settings.setAttribute("aria-expanded", "false");
  }

  #openPanel(isOpen) {
    const { launcher, control } = this.#parts;
    this.toggleAttribute("open", isOpen);
    launcher.setAttribute("aria-expanded", String(isOpen));
    (isOpen ? control : launcher).focus();
    this.#ring.wake();
  }
}

/** A live region that is given the same words again would be read again. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
