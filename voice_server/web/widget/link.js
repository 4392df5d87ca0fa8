/** The way to the server: where it is, whether it wants a key, and whether it can be reached just now. */

import { CONFIG_ADDRESS, discover, health, isOurs } from "./discovery.js";
import { storeKey, storedKey } from "./keys.js";
import { Wire } from "./wire.js";
import * as words from "./words.js";

const DISCOVERY_RETRY_MS = 3000;

/**
 * Handlers: `settings()` gives `{url, token}`; `hello()` the other fields of `init`; `frame(frame)`, `audio(pcm)`;
 * `opened(resumed)`, `over()` when a session has ended for good; `changed()`; `discovered(document)`;
 * `trouble({code, message})`, `hint({code, message})`, `settled()` when what was said before no longer holds.
 */
export class Link {
  #on;
  #wire = null;
  #attempt = 0; // a newer connect() makes an older one's answers void
  #isLooking = false;
  #hadSession = false;
  #refusal = ""; // why the key was refused
  #endReason = "";
  #timer = null;
  state = "offline"; // offline connecting open resuming away locked ended
  address = null;

  constructor(handlers) {
    this.#on = handlers;
  }

  /** True while the server's HTTP side is the one that the element came from. */
  get isOurs() {
    return isOurs(this.address);
  }

  async connect() {
    if (this.#wire || this.#isLooking) return;
    clearTimeout(this.#timer);
    const attempt = ++this.#attempt;
    const { url, token } = this.#on.settings();
    if (this.state !== "away") this.#set("connecting");
    this.#isLooking = true;
    const discovered = !url || isOurs(url) ? await discover().catch(() => null) : null;
    if (attempt !== this.#attempt) return;
    this.#isLooking = false;
    if (!url && !discovered) {
      this.#lookAgain();
      return;
    }
    this.address = url ?? discovered.websocket.url;
    if (discovered) this.#on.discovered(discovered);
    if (!URL.canParse(this.address)) {
      this.#give(words.badAddress(this.address));
      return;
    }
    if (discovered?.authentication?.required && !token && !storedKey(this.address)) this.#lock();
    else this.#dial();
  }

  disconnect() {
    this.#attempt += 1;
    this.#isLooking = false;
    clearTimeout(this.#timer);
    this.#wire?.close();
    this.#wire = null;
    this.#set("offline");
  }

  /** The key form: kept for the tab, tried at once. */
  useKey(key) {
    if (key === "") return;
    storeKey(this.address, key);
    this.#refusal = "";
    this.#on.settled();
    this.#wire?.close();
    this.#dial();
  }

  /** The tab is visible again, the network is back: find out what is still alive. */
  wake() {
    if (this.#wire) this.#wire.probe();
    else if (this.state === "away") this.connect();
  }

  /** False when there is no session to take the frame. */
  send(frame) {
    return this.#wire?.send(frame) ?? false;
  }

  sendAudio(pcm) {
    return this.#wire?.sendAudio(pcm) ?? false;
  }

  #set(state) {
    this.state = state;
    this.#on.changed();
  }

  #lookAgain() {
    this.#on.trouble(words.noDiscovery(CONFIG_ADDRESS));
    this.#set("away");
    this.#timer = setTimeout(() => this.connect(), DISCOVERY_RETRY_MS);
  }

  #dial() {
    this.#wire = new Wire(this.address, () => this.#init(), {
      frame: (frame) => this.#take(frame),
      audio: (pcm) => this.#on.audio(pcm),
      state: (name, detail) => this.#wireChanged(name, detail),
    });
    try {
      this.#wire.open();
    } catch {
      this.#wire = null;
      this.#give(words.badAddress(this.address));
    }
  }

  #init() {
    return { api_key: storedKey(this.address) ?? this.#on.settings().token ?? undefined, ...this.#on.hello() };
  }

  #take(frame) {
    if (frame.type === "session_ended") this.#endReason = frame.reason ?? "";
    // The close that follows brings the key form, with this sentence over it.
    if (frame.type === "error" && frame.stage === "auth" && this.state !== "open")
      this.#refusal = frame.message;
    this.#on.frame(frame);
  }

  #wireChanged(name, detail) {
    switch (name) {
      case "open": {
        const isFirst = !this.#hadSession;
        this.#hadSession = true;
        this.#on.settled();
        this.#set("open");
        this.#on.opened(detail.resumed, isFirst);
        return;
      }
      case "away":
        // One failed attempt is no news: the next comes in a moment.
        if (detail.attempts > 1) this.#away(detail.crowded);
        else if (!this.#hadSession) this.#set("away");
        return;
      case "closed":
        this.#wire = null;
        this.#on.over();
        if (detail.code === 4401) this.#lock(this.#refusal || detail.reason);
        else this.#give(words.closed(detail.code, this.#endReason || detail.reason));
        this.#endReason = "";
        return;
      default:
        this.#set(name);
    }
  }

  // Whether the HTTP side answers tells a server that is down from one that does not want this page.
  async #away(isCrowded) {
    this.#set("away");
    const attempt = this.#attempt;
    const answersHttp = isOurs(this.address) && (await health()) !== null;
    if (attempt === this.#attempt && this.state === "away")
      this.#on.trouble(words.away(this.address, isCrowded, answersHttp));
  }

  /** The key form. With no `refusal`, no key was sent yet. */
  #lock(refusal = "") {
    storeKey(this.address, null);
    if (refusal) this.#on.trouble({ code: "key_refused", message: refusal });
    else this.#on.hint(words.keyNeeded(this.address));
    this.#set("locked");
  }

  #give(trouble) {
    this.#on.trouble(trouble);
    this.#set("ended");
  }
}
