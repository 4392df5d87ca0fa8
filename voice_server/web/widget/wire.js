/**
 * One session over a WebSocket that may drop: `init`, `resume`, the count of messages, patience between attempts.
 *
 * It knows nothing of audio devices or of the page; what it hears it hands on in order, once each.
 */

const ANSWER_MS = 10_000; // for the handshake and `init_ack` together
const PROBE_MS = 5_000;
const RETRY_FIRST_MS = 250;
const RETRY_MOST_MS = 10_000;
const CROWDED_MS = 5_000; // the server said that it is full
const BACKLOG_BYTES = 1_000_000; // 30 s of microphone, as much as a held button may bring at once

const FINAL_CODES = new Set([1000, 1008, 1009, 4401, 4429]); // trying again at once would end the same way

/**
 * Handlers:
 * - `frame(frame)`: every JSON frame, `init_ack` included.
 * - `audio(pcm)`: every binary message, an ArrayBuffer.
 * - `state(name, detail)`: `connecting`, `open` {resumed}, `resuming`, `away` {attempts, crowded},
 *   `closed` {code, reason}.
 */
export class Wire {
  #address;
  #hello;
  #on;
  #socket = null;
  #session = null; // {session_id, token} once `init_ack` came: what `resume` needs
  #seen = 0; // the last message handed on, in this session
  #position = 0; // the last message arrived, on this connection
  #acknowledged = false;
  #heard = false;
  #attempts = 0;
  #timer = null;
  #probeTimer = null;

  /** `hello` gives the fields of `init`, asked anew for each connection. */
  constructor(address, hello, handlers) {
    this.#address = address;
    this.#hello = hello;
    this.#on = handlers;
  }

  get isOpen() {
    return this.#acknowledged;
  }

  /** Throws a SyntaxError or SecurityError when the address cannot be a WebSocket of this page. */
  open() {
    if (this.#socket) return;
    clearTimeout(this.#timer);
    const socket = new WebSocket(this.#address);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#greet();
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = ({ code, reason }) => this.#lost(code, reason);
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#drop(), ANSWER_MS);
    if (this.#attempts === 0) this.#on.state(this.#session ? "resuming" : "connecting", {});
  }

  /** Says goodbye; no handler is called any more. */
  close() {
    if (this.#acknowledged) this.send({ type: "end" });
    this.#abandon();
    this.#session = null;
  }

  /** False when there is no session to take the frame: nothing is kept for later. */
  send(frame) {
    if (!this.#acknowledged) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  sendAudio(pcm) {
    if (!this.#acknowledged || this.#socket.bufferedAmount > BACKLOG_BYTES) return false;
    this.#socket.send(pcm);
    return true;
  }

  /** After a sleep or a change of network a socket may look open and be dead: ask it, or try again at once. */
  probe() {
    if (!this.#socket) {
      this.open();
    } else if (this.#acknowledged) {
      clearTimeout(this.#probeTimer);
      this.#heard = false;
      this.send({ type: "ping", timestamp: Date.now() });
      this.#probeTimer = setTimeout(() => this.#heard || this.#drop(), PROBE_MS);
    }
  }

  #greet() {
    const resume = this.#session && { ...this.#session, last_seq: this.#seen };
    this.#socket.send(JSON.stringify({ type: "init", ...this.#hello(), ...(resume && { resume }) }));
  }

  #take(data) {
    this.#heard = true;
    const frame = typeof data === "string" ? JSON.parse(data) : null;
    if (!this.#acknowledged) {
      if (frame?.type === "init_ack") this.#acknowledge(frame);
      else if (frame) {
        this.#position = frame.seq ?? this.#position;
        this.#on.frame(frame);
      }
      return;
    }
    this.#position = frame?.seq ?? this.#position + 1; // a binary message takes the next number
    if (this.#position <= this.#seen) return; // already handed on
    if (this.#position > this.#seen + 1) {
      this.#drop(); // something is missing: a resume brings it
      return;
    }
    this.#seen = this.#position;
    if (frame) this.#on.frame(frame);
    else this.#on.audio(data);
  }

  #acknowledge(frame) {
    clearTimeout(this.#timer);
    const { session_id, resume_token: token, resumed = false } = frame;
    this.#seen = resumed ? this.#seen : frame.seq || this.#position;
    this.#position = this.#seen;
    this.#session = token ? { session_id, token } : null;
    this.#acknowledged = true;
    this.#attempts = 0;
    this.#on.frame(frame);
    this.#on.state("open", { resumed });
  }

  /** Leaves a socket without waiting for its closing handshake, which a dead network never answers. */
  #drop() {
    this.#lost(1006, "");
  }

  #lost(code, reason) {
    const wasOpen = this.#acknowledged;
    this.#abandon();
    if (FINAL_CODES.has(code)) {
      this.#session = null;
      this.#attempts = 0;
      this.#on.state("closed", { code, reason });
      return;
    }
    const wait_ms =
      Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** this.#attempts) * (0.75 + Math.random() / 2);
    const retry_ms = wasOpen ? 0 : code === 1013 ? CROWDED_MS : wait_ms;
    if (!wasOpen) this.#attempts += 1;
    this.#timer = setTimeout(() => this.open(), retry_ms);
    if (!wasOpen) this.#on.state("away", { attempts: this.#attempts, crowded: code === 1013 });
  }

  #abandon() {
    clearTimeout(this.#timer);
    clearTimeout(this.#probeTimer);
    const socket = this.#socket;
    this.#socket = null;
    this.#acknowledged = false;
    this.#position = 0;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
