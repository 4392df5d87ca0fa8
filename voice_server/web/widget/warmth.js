/** Watches the server's models warm up, until they are ready. */

import { health } from "./discovery.js";
import { warmingOf } from "./words.js";

const AGAIN_MS = 1000;

/** Calls `onChange(isWarming, progress, failure)`: `{text, done, total}` or null, a sentence or null. */
export class Warmth {
  #onChange;
  #timer = null;
  #isWatching = false;

  constructor(onChange) {
    this.#onChange = onChange;
  }

  watch() {
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#ask();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#isWatching = false;
  }

  async #ask() {
    const answer = await health();
    if (!this.#isWatching) return;
    if (!answer || answer.ready)
      this.stop(); // away: the link says that already
    else this.#timer = setTimeout(() => this.#ask(), AGAIN_MS);
    if (answer) this.#onChange(!answer.ready, ...warmingOf(answer));
  }
}
