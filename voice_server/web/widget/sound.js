/** The audio context of one element, made when first needed: browsers count contexts, and want a gesture. */

const WORKLET = new URL("./worklet.js", import.meta.url);

/** What keeps sound from working here for good, or null: the browser's rule is "https or localhost". */
export function soundObstacle() {
  return globalThis.isSecureContext && globalThis.AudioWorkletNode ? null : "insecure";
}

export class Sound {
  #context = null;
  #ready = null;
  #onChange;

  /** `onChange(isRunning)` when the browser holds the sound back or lets it go. */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  /** The context with our worklet in it. Rejects when the page's policy forbids the worklet. */
  open() {
    this.#ready ??= this.#make();
    return this.#ready;
  }

  async #make() {
    this.#context = new AudioContext({ latencyHint: "interactive" });
    this.#context.onstatechange = () => this.#onChange(this.isRunning);
    try {
      await this.#context.audioWorklet.addModule(WORKLET);
    } catch (error) {
      await this.close();
      throw error;
    }
    return this.#context;
  }

  get isRunning() {
    return this.#context?.state === "running";
  }

  /** Call it in a gesture. Never waits: without a gesture `resume` would stay pending for ever. */
  wake() {
    if (this.#context && !this.isRunning) this.#context.resume().catch(() => this.#onChange(false));
  }

  /** How long a sample needs from the worklet to the loudspeaker, in ms. */
  get latency_ms() {
    return (this.#context?.outputLatency || this.#context?.baseLatency || 0) * 1000;
  }

  /** The page's clock (`performance.now()`) at a moment of the context's clock. */
  pageTime(at_s) {
    return performance.now() - (this.#context.currentTime - at_s) * 1000;
  }

  async close() {
    const context = this.#context;
    this.#context = null;
    this.#ready = null;
    if (!context) return;
    context.onstatechange = null;
    await context.close();
  }
}
