/**
 * The audio thread: one processor makes 20 ms frames from the microphone, one plays reply audio.
 *
 * Loaded with `audioWorklet.addModule`; everywhere else it only exports its classes.
 */

const CAPTURE_HZ = 16000;
const FRAME_SAMPLES = 320; // 20 ms at 16 kHz
const QUANTUM = 128;
const DEPTH_MIN_MS = 60;
const DEPTH_MAX_MS = 200;
const STALL_MS = 400; // later than this is a slow voice, not a jittery network: a deeper buffer would not help
const LEVEL_WINDOW_S = 0.05;
const SILENCE_RMS = 0.001; // -60 dBFS
const PROGRESS_QUANTA = 8; // about 20 ms

/** Streaming windowed-sinc resampler between any two whole rates; the phases are exact, so nothing drifts. */
export class Resampler {
  #fromHz;
  #toHz;
  #up;
  #down;
  #taps;
  #kernel;
  #window;
  #filled;
  #phase = 0;

  constructor(fromHz, toHz) {
    const common = greatestCommonDivisor(fromHz, toHz);
    this.#fromHz = fromHz;
    this.#toHz = toHz;
    this.#up = toHz / common;
    this.#down = fromHz / common;
    const narrowing = Math.min(1, toHz / fromHz);
    const half = Math.ceil(16 / narrowing);
    this.#taps = 2 * half;
    this.#kernel = sincKernel(this.#up, half, narrowing * 0.92);
    this.#window = new Float32Array(this.#taps + 8192);
    this.#filled = half - 1; // silence before the first sample, so that the first output sits on it
  }

  /** Takes samples and calls `emit` with each output sample that is complete. */
  feed(samples, emit) {
    if (this.#fromHz === this.#toHz) {
      for (const sample of samples) emit(sample);
      return;
    }
    for (let from = 0; from < samples.length; from += 8192) {
      const part = samples.subarray(from, from + 8192);
      if (this.#filled + part.length > this.#window.length) this.#grow(this.#filled + part.length);
      this.#window.set(part, this.#filled);
      this.#filled += part.length;
      this.#drain(emit);
    }
  }

  /** Brings out what the filter still holds. */
  finish(emit) {
    this.feed(new Float32Array(this.#taps / 2), emit);
  }

  #drain(emit) {
    let at = 0;
    while (at + this.#taps <= this.#filled) {
      const row = this.#phase * this.#taps;
      let sum = 0;
      for (let tap = 0; tap < this.#taps; tap++) sum += this.#window[at + tap] * this.#kernel[row + tap];
      emit(sum);
      this.#phase += this.#down;
      at += Math.floor(this.#phase / this.#up);
      this.#phase %= this.#up;
    }
    this.#window.copyWithin(0, at, this.#filled);
    this.#filled -= at;
  }

  #grow(samples) {
    const wider = new Float32Array(samples);
    wider.set(this.#window.subarray(0, this.#filled));
    this.#window = wider;
  }
}

function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** One row of taps for each phase, Blackman-windowed, each row summing to one. */
function sincKernel(phases, half, cutoff) {
  const taps = 2 * half;
  const kernel = new Float32Array(phases * taps);
  for (let phase = 0; phase < phases; phase++) {
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) {
      const distance = tap - half + 1 - phase / phases;
      const angle = Math.PI * cutoff * distance;
      const sinc = angle === 0 ? 1 : Math.sin(angle) / angle;
      const turn = (Math.PI * distance) / half;
      const value = sinc * (0.42 + 0.5 * Math.cos(turn) + 0.08 * Math.cos(2 * turn));
      kernel[phase * taps + tap] = value;
      sum += value;
    }
    for (let tap = 0; tap < taps; tap++) kernel[phase * taps + tap] /= sum;
  }
  return kernel;
}

/** A ring of samples that doubles when full: the server sends up to two seconds ahead, a resumed one more. */
export class Ring {
  #samples = new Float32Array(1 << 16);
  #read = 0;
  length = 0;

  push(sample) {
    if (this.length === this.#samples.length) this.#double();
    this.#samples[(this.#read + this.length) & (this.#samples.length - 1)] = sample;
    this.length += 1;
  }

  /** Fills `target` from the front and returns how many samples there were. */
  shiftInto(target) {
    const count = Math.min(target.length, this.length);
    for (let index = 0; index < count; index++) {
      target[index] = this.#samples[(this.#read + index) & (this.#samples.length - 1)];
    }
    this.#read = (this.#read + count) & (this.#samples.length - 1);
    this.length -= count;
    return count;
  }

  #double() {
    const wider = new Float32Array(this.#samples.length * 2);
    wider.set(this.#samples.subarray(this.#read));
    wider.set(this.#samples.subarray(0, this.#read), this.#samples.length - this.#read);
    this.#samples = wider;
    this.#read = 0;
  }
}

/** How deep the buffer must be, from how late audio came compared with its first piece. */
export class Jitter {
  #startedAt_s = null;
  #received_s = 0;
  #worst_ms = 0;

  get depth_ms() {
    return Math.min(DEPTH_MAX_MS, Math.max(DEPTH_MIN_MS, this.#worst_ms * 1.25));
  }

  /** A new reply: its pieces are compared with its own first one; what was learnt fades slowly. */
  restart() {
    this.#startedAt_s = null;
    this.#received_s = 0;
    this.#worst_ms *= 0.8;
  }

  arrived(now_s, duration_s) {
    this.#startedAt_s ??= now_s;
    const late_ms = (now_s - this.#startedAt_s - this.#received_s) * 1000;
    if (late_ms < STALL_MS) this.#worst_ms = Math.max(this.#worst_ms, late_ms);
    else this.#startedAt_s = now_s - this.#received_s; // after a stall the comparison begins anew
    this.#received_s += duration_s;
  }
}

if (typeof AudioWorkletGlobalScope !== "undefined") {
  /** Posts `{pcm, level}`: 20 ms of 16 kHz PCM16 and its RMS, 0 to 1. */
  class Capture extends AudioWorkletProcessor {
    #resampler = new Resampler(sampleRate, CAPTURE_HZ);
    #frame = new Int16Array(FRAME_SAMPLES);
    #filled = 0;
    #energy = 0;
    #open = true;
    #emit = (sample) => this.#take(sample);

    constructor() {
      super();
      this.port.onmessage = () => (this.#open = false);
    }

    process([input]) {
      if (input[0]) this.#resampler.feed(input[0], this.#emit);
      return this.#open;
    }

    #take(sample) {
      this.#energy += sample * sample;
      this.#frame[this.#filled++] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
      if (this.#filled < FRAME_SAMPLES) return;
      const pcm = this.#frame.buffer;
      this.port.postMessage({ pcm, level: Math.sqrt(this.#energy / FRAME_SAMPLES) }, [pcm]);
      this.#frame = new Int16Array(FRAME_SAMPLES);
      this.#filled = 0;
      this.#energy = 0;
    }
  }

  /**
   * Plays replies one after the other. Takes `begin {turnId, rateHz}`, `pcm {pcm}`, `end`, `hold {turnId}` (null:
   * none), `cut`, `close`. Posts `started {turnId}`, `progress {turnId, played_ms, level, audibleAt_s}`,
   * `held {turnId, played_ms, held}`, `done {turnId, played_ms, cut}`.
   */
  class Playback extends AudioWorkletProcessor {
    #replies = []; // {turnId, ring, resampler, rateHz, played, ended, started, waiting, held, cut}
    #held = null; // the turn whose reply stands still
    #jitter = new Jitter();
    #open = true;
    #energies = new Float32Array(Math.ceil((LEVEL_WINDOW_S * sampleRate) / QUANTUM));
    #quantum = 0;
    #level = 0;
    #audibleAt_s = 0;

    constructor() {
      super();
      this.port.onmessage = ({ data }) => this.#command(data);
    }

    #command(message) {
      const last = this.#replies.at(-1);
      switch (message.kind) {
        case "begin":
          this.#jitter.restart();
          this.#replies.push({
            turnId: message.turnId,
            rateHz: message.rateHz,
            ring: new Ring(),
            resampler: new Resampler(message.rateHz, sampleRate),
            played: 0,
            ended: false,
            started: false,
            waiting: true,
            held: false,
            cut: false,
          });
          return;
        case "pcm":
          if (!last || last.ended || last.cut) return;
          this.#jitter.arrived(currentTime, message.pcm.byteLength / 2 / last.rateHz);
          last.resampler.feed(toFloats(message.pcm), (sample) => last.ring.push(sample));
          return;
        case "end":
          if (!last || last.ended || last.cut) return;
          last.resampler.finish((sample) => last.ring.push(sample));
          last.ended = true;
          return;
        case "hold":
          this.#held = message.turnId;
          return;
        case "cut":
          for (const reply of this.#replies) reply.cut = true; // not those that begin after it
          return;
        case "close":
          this.#open = false;
      }
    }

    process(_inputs, [[out]]) {
      const reply = this.#replies[0];
      if (reply) this.#playOrHold(reply, out);
      if (this.#replies[0]?.cut) this.#cut(out);
      this.#measure(out);
      return this.#open;
    }

    /** Goes on with the sample after the last. The quantum before a hold fades out, the one after it fades in. */
    #playOrHold(reply, out) {
      const [was, is] = [reply.held, this.#held === reply.turnId];
      if (was && is) return;
      reply.held = is;
      this.#play(reply, out);
      if (was === is || this.#replies[0] !== reply) return; // with its last quantum there is nothing to hold
      if (was) this.#jitter.restart(); // nothing was sent meanwhile
      fade(out, is);
      this.port.postMessage({ kind: "held", turnId: reply.turnId, played_ms: playedMs(reply), held: is });
    }

    #play(reply, out) {
      const depth = (this.#jitter.depth_ms / 1000) * sampleRate;
      if (reply.waiting && (reply.ended || reply.ring.length >= depth)) reply.waiting = false;
      if (reply.waiting) return;
      if (!reply.started) this.port.postMessage({ kind: "started", turnId: reply.turnId });
      reply.started = true;
      reply.played += reply.ring.shiftInto(out);
      if (reply.ring.length > 0) return;
      if (reply.ended) {
        this.#done(reply, false);
        this.#replies.shift();
      } else {
        reply.waiting = true; // run dry: gather the whole depth again, one gap is better than many
      }
    }

    /** The last quantum fades out, so that the cut is no click; nothing is left behind it. */
    #cut(out) {
      fade(out, true);
      for (const reply of this.#replies.filter((each) => each.cut)) this.#done(reply, true);
      this.#replies = this.#replies.filter((each) => !each.cut);
    }

    #done(reply, cut) {
      this.port.postMessage({ kind: "done", turnId: reply.turnId, played_ms: playedMs(reply), cut });
    }

    #measure(out) {
      let energy = 0;
      for (const sample of out) energy += sample * sample;
      energy /= out.length;
      if (Math.sqrt(energy) > SILENCE_RMS) this.#audibleAt_s = currentTime;
      this.#energies[this.#quantum % this.#energies.length] = energy;
      this.#quantum += 1;
      if (this.#quantum % PROGRESS_QUANTA !== 0) return;
      const before = this.#level;
      this.#level = Math.sqrt(this.#energies.reduce((sum, each) => sum + each, 0) / this.#energies.length);
      const reply = this.#replies[0];
      if (!reply?.started && this.#level === 0 && before === 0) return;
      this.port.postMessage({
        kind: "progress",
        turnId: reply?.started ? reply.turnId : null,
        played_ms: reply ? playedMs(reply) : 0,
        level: this.#level,
        audibleAt_s: this.#audibleAt_s,
      });
    }
  }

  function fade(out, away) {
    for (let index = 0; index < out.length; index++) {
      const share = (index + 1) / out.length;
      out[index] *= away ? 1 - share : share;
    }
  }

  const playedMs = (reply) => Math.round((reply.played / sampleRate) * 1000);

  const toFloats = (pcm) =>
    Float32Array.from(new Int16Array(pcm, 0, pcm.byteLength >> 1), (each) => each / 32768);

  registerProcessor("voice-chat-capture", Capture);
  registerProcessor("voice-chat-playback", Playback);
}
