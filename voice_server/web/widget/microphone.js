/** The microphone as 20 ms frames of 16 kHz PCM16. */

const CONSTRAINTS = {
  channelCount: 1,
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
};

/**
 * Handlers: `frame(pcm, level)` with an ArrayBuffer of 640 bytes and its RMS (0 to 1);
 * `lost()` when the device goes away; `muted(isMuted)` when the system or a key on the headset silences it.
 */
export class Microphone {
  #sound;
  #on;
  #stream = null;
  #source = null;
  #node = null;
  #opening = null;

  constructor(sound, handlers) {
    this.#sound = sound;
    this.#on = handlers;
  }

  get isOpen() {
    return this.#node !== null;
  }

  /** Asks the person once; rejects with the browser's DOMException, which `words.js` puts into a sentence. */
  open() {
    if (this.isOpen) return Promise.resolve();
    this.#opening ??= this.#acquire().finally(() => (this.#opening = null));
    return this.#opening;
  }

  async #acquire() {
    if (!navigator.mediaDevices) throw new DOMException("no media devices here", "SecurityError");
    const [sound, device] = await Promise.allSettled([
      this.#sound.open(),
      navigator.mediaDevices.getUserMedia({ audio: CONSTRAINTS }),
    ]);
    if (device.status === "rejected") throw device.reason;
    const stream = device.value;
    const [track] = stream.getAudioTracks();
    if (sound.status === "rejected") {
      track.stop();
      throw sound.reason;
    }
    try {
      this.#attach(sound.value, stream, track);
    } catch (error) {
      track.stop(); // the context was closed meanwhile
      throw error;
    }
  }

  #attach(context, stream, track) {
    this.#sound.wake();
    track.onended = () => {
      this.close();
      this.#on.lost();
    };
    track.onmute = () => this.#on.muted(true);
    track.onunmute = () => this.#on.muted(false);
    const source = context.createMediaStreamSource(stream);
    const node = new AudioWorkletNode(context, "voice-chat-capture", {
      channelCount: 1,
      channelCountMode: "explicit",
      outputChannelCount: [1],
    });
    [this.#stream, this.#source, this.#node] = [stream, source, node];
    this.#node.port.onmessage = ({ data }) => this.#on.frame(data.pcm, data.level);
    this.#source.connect(this.#node);
    this.#node.connect(context.destination); // it emits silence: some browsers run only what leads somewhere
  }

  /** Lets the device go, so that the browser's recording sign disappears. */
  close() {
    for (const track of this.#stream?.getTracks() ?? []) {
      track.onended = track.onmute = track.onunmute = null;
      track.stop();
    }
    if (this.#node) {
      this.#node.port.onmessage = null;
      this.#node.port.postMessage("close");
      this.#node.disconnect();
      this.#source.disconnect();
    }
    this.#stream = this.#source = this.#node = null;
  }
}
