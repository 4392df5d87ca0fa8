/** What the person does with voice: an open microphone, or a button held while speaking. */

const TAP_MS = 300; // shorter is no utterance: somebody clicked where holding is meant
const RELEASE_AFTER_MS = 30_000; // push mode lets the microphone go after this long without a press
const KEPT_FRAMES = 1500; // 30 s of a held button are kept for a connection that comes back

export const TURN_MODES = { open: "semantic", push: "manual" };

/**
 * Handlers: `send(frame)` and `sendAudio(pcm)` (false: no session now), `change()`, `committed()`, `tapped()`,
 * `failed(error)`.
 */
export class Talk {
  #microphone;
  #on;
  #mode = "open";
  #isWanted = false; // open mode: the microphone is switched on
  #held = null; // push mode: {since, frames, cleared} while the button is down, or until a session takes it
  #streamOpen = false;
  #idleTimer = null;
  #stops = 0;
  level = 0;

  constructor(microphone, handlers) {
    this.#microphone = microphone;
    this.#on = handlers;
  }

  get isListening() {
    return this.#microphone.isOpen && (this.#isWanted || this.isHeld);
  }

  get isHeld() {
    return this.#held !== null && !this.#held.released;
  }

  set mode(mode) {
    if (mode === this.#mode) return;
    this.stop();
    this.#mode = mode;
  }

  get mode() {
    return this.#mode;
  }

  /** Open mode: switches the microphone on. */
  async start() {
    this.#isWanted = true;
    if (!(await this.#openMicrophone())) return;
    this.#openStream();
    this.#on.change();
  }

  /** Switches the microphone off, whatever the mode; in open mode what was heard is a turn. */
  stop() {
    this.#stops += 1;
    clearTimeout(this.#idleTimer);
    if (this.#streamOpen) this.#on.send({ type: "audio_stream_end" });
    this.#streamOpen = false;
    this.#isWanted = false;
    this.#held = null;
    this.#microphone.close();
    this.level = 0;
    this.#on.change();
  }

  /** Push mode: the button goes down. It cuts a playing reply. */
  async press() {
    if (this.#held) return;
    clearTimeout(this.#idleTimer);
    const held = { since: performance.now(), frames: [], released: false };
    this.#held = held;
    this.#begin();
    this.#on.change();
    if (!(await this.#openMicrophone())) return;
    if (!this.isHeld) this.#restLater();
    this.#on.change();
  }

  /** The button comes up: what was said is a turn. */
  release() {
    if (!this.isHeld) return;
    const held = this.#held;
    held.released = true;
    this.level = 0;
    this.#restLater();
    if (performance.now() - held.since < TAP_MS || held.frames.length === 0) {
      this.#on.send({ type: "audio_clear" });
      this.#held = null;
      this.#on.tapped();
    } else if (this.#on.send({ type: "audio_commit" })) {
      this.#held = null;
      this.#on.committed();
    }
    this.#on.change();
  }

  /** A session is open again: its input stream is not. What a held button has gathered is said once more. */
  reopened() {
    this.#streamOpen = false;
    if (this.#held) {
      const { frames, released } = this.#held;
      this.#begin();
      for (const pcm of frames) this.#on.sendAudio(pcm);
      if (released && this.#on.send({ type: "audio_commit" })) {
        this.#held = null;
        this.#on.committed();
      }
    } else if (this.#isWanted && this.#microphone.isOpen) {
      this.#openStream();
    }
  }

  /** A frame from the microphone: 20 ms of PCM and its level. */
  frame(pcm, level) {
    if (this.isHeld) {
      if (this.#held.frames.length < KEPT_FRAMES) this.#held.frames.push(pcm);
    } else if (!this.#isWanted) {
      return;
    }
    this.level = level;
    if (this.#streamOpen) this.#on.sendAudio(pcm);
  }

  /** The device is gone. In open mode the browser's new default device is tried once. */
  async lost() {
    const again = this.#isWanted;
    this.stop();
    if (again) await this.start();
    return this.#microphone.isOpen;
  }

  #begin() {
    this.#openStream();
    this.#on.send({ type: "audio_clear" });
  }

  #openStream() {
    if (this.#streamOpen) return;
    this.#streamOpen = this.#on.send({
      type: "audio_stream_start",
      format: "pcm16",
      sample_rate: 16000,
      channels: 1,
    });
  }

  async #openMicrophone() {
    const stops = this.#stops;
    try {
      await this.#microphone.open();
      if (stops === this.#stops) return true;
      if (!this.#isWanted && !this.#held) this.#microphone.close(); // switched off while the browser asked
      return false;
    } catch (error) {
      if (stops !== this.#stops) return false; // nobody waits for it any more
      this.#isWanted = false;
      this.#held = null;
      this.#on.failed(error);
      this.#on.change();
      return false;
    }
  }

  #restLater() {
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => this.#mode === "push" && this.#microphone.close(), RELEASE_AFTER_MS);
  }
}
