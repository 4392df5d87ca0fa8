/** Plays reply audio through the playback worklet and says how much of it was heard. */

const REPORT_MS = 1000;

/**
 * Handlers: `started()`; `level(rms)`; `heard(position)` about once a second, and when playback stops or goes on;
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
  #held = false;
  level = 0;
  playing = false;
  position = null; // {turn_id, played_ms, paused}: the last thing reported

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

  /** The reply to this turn stands still, keeping what is not played yet; with null every reply goes on. */
  hold(turnId) {
    if (this.#pending > 0) this.#post({ kind: "hold", turnId });
  }

  /** Silence within one quantum; what was heard is reported at once. */
  cut() {
    if (this.#pending > 0) this.#post({ kind: "cut" });
    this.#receiving = null;
  }

  close() {
    if (this.#node) {
      this.#node.port.onmessage = null; // what it has still said is of replies that nobody counts any more
      this.#node.port.postMessage({ kind: "close" });
      this.#node.disconnect();
    }
    this.#node = null;
    this.#waiting = null;
    this.#receiving = null;
    this.#pending = 0;
    this.#held = false;
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
          this.#report(message);
        }
        this.#on.level();
        return;
      case "held":
        this.#held = message.held;
        this.#report(message);
        return;
      case "done":
        this.#pending -= 1;
        this.#held = false;
        this.playing = false;
        if (message.played_ms > 0) this.#report(message, 0);
        this.#on.done(message.turnId, message.cut);
    }
  }

  /** What left the worklet is not heard before it has passed the device; once nothing follows, it soon is. */
  #report({ turnId, played_ms }, latency_ms = this.#held ? 0 : this.#sound.latency_ms) {
    this.#reportedAt = performance.now();
    const heard_ms = Math.max(0, Math.round(played_ms - latency_ms));
    this.position = { turn_id: turnId, played_ms: heard_ms, ...(this.#held && { paused: true }) };
    this.#on.heard(this.position);
  }
}
