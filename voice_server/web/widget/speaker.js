/** Plays reply audio through the playback worklet and says how much of it was heard. */

const REPORT_MS = 1000;

/**
 * Handlers: `started()`; `level(rms)`; `heard(turnId, played_ms)` about once a second and when playback stops;
 * `done(turnId, cut)`; `failed(error)` when there can be no sound at all.
 */
export class Speaker {
  #sound;
  #on;
  #node = null;
  #waiting = null; // messages for a worklet that is still loading
  #receiving = null; // the turn whose audio arrives
  #pending = 0; // replies begun and not done
  #reportedAt = 0;
  #audibleAt = 0;
  level = 0;
  playing = false;
  position = null; // {turn_id, played_ms}: the last thing reported

  constructor(sound, handlers) {
    this.#sound = sound;
    this.#on = handlers;
  }

  /** `performance.now()` when the worklet last emitted something above silence; 0 before. */
  get lastAudibleAt() {
    return this.#audibleAt;
  }

  /** Whether there is something to be heard, now or as soon as the browser lets it out. */
  get isBusy() {
    return this.#pending > 0;
  }

  begin(turnId, rateHz) {
    this.#receiving = turnId;
    this.#pending += 1;
    this.#post({ kind: "begin", turnId, rateHz });
  }

  /** Audio of no reply, or of one that was cut here, is not played. */
  push(pcm) {
    if (this.#receiving !== null) this.#post({ kind: "pcm", pcm }, [pcm]);
  }

  end() {
    if (this.#receiving !== null) this.#post({ kind: "end" });
    this.#receiving = null;
  }

  /** Silence within one quantum; what was heard is reported at once. */
  cut() {
    if (this.#pending > 0) this.#post({ kind: "cut" });
    this.#receiving = null;
  }

  async close() {
    this.#node?.port.postMessage({ kind: "close" });
    this.#node?.disconnect();
    this.#node = null;
    this.#waiting = null;
    this.#receiving = null;
    this.#pending = 0;
    this.level = 0;
    this.playing = false;
  }

  #post(message, transfer = []) {
    if (this.#node) this.#node.port.postMessage(message, transfer);
    else if (this.#waiting) this.#waiting.push(message);
    else {
      this.#waiting = [message];
      this.#load();
    }
  }

  async #load() {
    let context;
    try {
      context = await this.#sound.open();
    } catch (error) {
      this.#waiting = null;
      this.#pending = 0;
      this.#on.failed(error);
      return;
    }
    if (!this.#waiting) return; // closed meanwhile
    this.#node = new AudioWorkletNode(context, "voice-chat-playback", {
      numberOfInputs: 0,
      outputChannelCount: [1],
    });
    this.#node.port.onmessage = ({ data }) => this.#hear(data);
    this.#node.connect(context.destination);
    for (const message of this.#waiting) this.#node.port.postMessage(message);
    this.#waiting = null;
    this.#sound.wake();
  }

  #hear(message) {
    switch (message.kind) {
      case "started":
        this.playing = true;
        this.#reportedAt = performance.now();
        this.#on.started();
        return;
      case "progress":
        this.level = message.level;
        if (message.audibleAt_s > 0) this.#audibleAt = this.#sound.pageTime(message.audibleAt_s);
        if (message.turnId !== null && performance.now() - this.#reportedAt >= REPORT_MS) {
          // What left the worklet is not heard before it has passed the device.
          this.#report(message.turnId, Math.max(0, message.played_ms - this.#sound.latency_ms));
        }
        this.#on.level();
        return;
      case "done":
        this.#pending -= 1;
        this.playing = false;
        if (message.played_ms > 0) this.#report(message.turnId, message.played_ms);
        this.#on.done(message.turnId, message.cut);
    }
  }

  #report(turn_id, played_ms) {
    this.#reportedAt = performance.now();
    this.position = { turn_id, played_ms: Math.round(played_ms) };
    this.#on.heard(this.position);
  }
}
