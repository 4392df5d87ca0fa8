/** The conversation with the server, animated: the wire, the microphone, the loudspeaker, and what state all are in. */

import { Conversation } from "./conversation.js";
import { Link } from "./link.js";
import { Microphone } from "./microphone.js";
import { Sound, soundObstacle } from "./sound.js";
import { Speaker } from "./speaker.js";
import { Talk } from "./talk.js";
import { Warmth } from "./warmth.js";
import { hello, wishes } from "./wishes.js";
import * as words from "./words.js";

const SOUND_HELD_MS = 500;

/**
 * Handlers: `settings()` gives what the attributes say; `changed()`, `sounded()` when only a level is new,
 * `turn(turn)`, `draft(text)`, `divide(text)`,
 * `notice(kind, text)`, `warming(progress | null)`, `discovered(document)`, `event(name, detail)`.
 */
export class Session {
  #on;
  #sound = new Sound((isRunning) => this.#soundChanged(isRunning));
  #speaker;
  #talk;
  #conversation = new Conversation();
  #link;
  #warmth = new Warmth((...news) => this.#warmed(...news));
  #conversationId = null;
  #unsent = []; // {frame, turn}: typed while there was no session
  #isThinking = false;
  #isWarming = false;
  #noticeCode = null;

  constructor(handlers) {
    this.#on = handlers;
    this.#speaker = new Speaker(this.#sound, {
      started: () => this.#change(),
      level: () => this.#on.sounded(),
      heard: (position) => this.#link.send({ type: "playback", ...position }),
      done: (turnId, cut) => this.#played(turnId, cut),
      failed: (error) => this.#trouble(words.explainSound(error)),
    });
    const microphone = new Microphone(this.#sound, {
      frame: (pcm, level) => this.#spoke(pcm, level),
      lost: () => this.#microphoneLost(),
      muted: (isMuted) =>
        isMuted ? this.#trouble(words.MICROPHONE_MUTED) : this.#settle("microphone_muted"),
    });
    this.#talk = new Talk(microphone, {
      send: (frame) => this.#link.send(frame),
      sendAudio: (pcm) => this.#link.sendAudio(pcm),
      change: () => this.#change(),
      committed: () => this.#think(true),
      tapped: () => this.#hint(words.HOLD_LONGER),
      failed: (error) => this.#trouble(words.explainSound(error)),
    });
    this.#link = new Link({
      settings: () => this.#on.settings(),
      hello: () => hello(this.#on.settings(), this.#conversationId),
      frame: (frame) => this.#take(frame),
      audio: (pcm) => this.#speaker.push(pcm),
      opened: (resumed, isFirst) => this.#opened(resumed, isFirst),
      over: () => this.#over(),
      changed: () => this.#linkChanged(),
      discovered: (document) => this.#on.discovered(document),
      trouble: (trouble) => this.#trouble(trouble),
      hint: (hint) => this.#hint(hint),
      settled: () => this.#settle(),
    });
  }

  // What is.

  get state() {
    if (this.#link.state !== "open") return this.#link.state;
    if (this.#talk.isHeld && this.#talk.isListening) return "listening";
    if (this.#speaker.playing) return "speaking";
    if (this.#isThinking) return "thinking";
    if (this.#talk.isListening) return "listening";
    return this.#isWarming ? "warming" : "ready";
  }

  get mode() {
    return this.#talk.mode;
  }

  get isListening() {
    return this.#talk.isListening;
  }

  /** Whether holding the control means speaking, and not asking for a connection. */
  get isUsable() {
    return this.#link.state === "open" || this.#talk.isHeld;
  }

  get turns() {
    return this.#conversation.turns;
  }

  get levels() {
    return { mine: this.#talk.level, theirs: this.#speaker.level };
  }

  get lastAudibleAt() {
    return this.#speaker.lastAudibleAt;
  }

  // What the person wants.

  connect() {
    this.#talk.mode = this.#on.settings().mode;
    return this.#link.connect();
  }

  disconnect() {
    this.#over();
    this.#speaker.close();
    this.#sound.close();
    this.#link.disconnect();
  }

  /** Another server or key: the conversation there is another one. */
  reconnect() {
    this.disconnect();
    this.#conversationId = null;
    this.connect();
  }

  useKey(key) {
    this.#link.useKey(key);
  }

  /** Open mode: the control was tapped. */
  tap() {
    switch (this.state) {
      case "offline":
      case "ended":
        this.connect();
        if (this.mode === "open") this.#listen();
        return;
      case "away":
        this.wake();
        return;
      case "ready":
      case "warming":
        this.#listen();
        return;
      case "listening":
        this.#talk.stop();
        return;
      case "thinking":
      case "speaking":
        this.stop();
    }
  }

  /** Push mode: down. The reply is cut here at once; the server hears of it by `audio_clear`. */
  press() {
    if (soundObstacle()) {
      this.#trouble(words.INSECURE);
      return;
    }
    this.#settle();
    this.#speaker.cut();
    this.#talk.press();
  }

  release() {
    this.#talk.release();
  }

  say(text) {
    if (text.trim() === "") return;
    this.#settle();
    this.#speaker.cut();
    const frame = { type: "message", message: text, ...(soundObstacle() && { modalities: ["text"] }) };
    const turn = this.#conversation.typed(text);
    this.#on.turn(turn);
    if (!this.#link.send(frame)) this.#unsent.push({ frame, turn });
    if (["offline", "ended"].includes(this.#link.state)) this.connect();
    this.#think(true);
  }

  stop() {
    this.#speaker.cut();
    this.#link.send({ type: "stop" });
  }

  /** Attributes have changed. */
  configure() {
    const { mode } = this.#on.settings();
    this.#talk.mode = mode;
    this.#link.send({ type: "configure", ...wishes(this.#on.settings()) });
    this.#change();
  }

  /** The tab is visible again, the network is back: find out what is still alive. */
  wake() {
    this.#sound.wake();
    this.#link.wake();
  }

  /** A key or a pointer: browsers let sound begin only then. */
  gesture() {
    this.#sound.wake();
  }

  // The link.

  #opened(resumed, isFirst) {
    if (resumed) {
      if (this.#speaker.position) this.#link.send({ type: "playback", ...this.#speaker.position });
    } else if (!isFirst) {
      this.#startOver();
    }
    this.#talk.reopened();
    for (const { frame } of this.#unsent.splice(0)) this.#link.send(frame);
    if (this.#link.isOurs) this.#warmth.watch();
    this.#change();
  }

  // A fresh session knows nothing of the turns under way; those not sent yet are its first.
  #startOver() {
    const isLost = this.#conversation.abandon(this.#unsent.map(({ turn }) => turn));
    this.#speaker.cut();
    this.#isThinking = this.#unsent.length > 0;
    this.#on.draft("");
    if (isLost) this.#on.divide(words.NEW_SESSION);
  }

  /** The session has ended: nobody listens any more, so nothing is recorded. */
  #over() {
    this.#talk.stop();
    this.#isThinking = false;
  }

  #linkChanged() {
    if (this.#link.state !== "open") {
      this.#speaker.hold(null); // nobody is there to say when
      this.#warmth.stop();
      this.#on.warming(null);
    }
    this.#change();
  }

  // Frames.

  #take(frame) {
    const turn = this.#conversation.take(frame);
    if (turn) this.#on.turn(turn);
    switch (frame.type) {
      case "init_ack":
        this.#conversationId = frame.conversation_id ?? this.#conversationId;
        this.#on.event("ready", {
          session_id: frame.session_id,
          conversation_id: frame.conversation_id,
          config: frame.config,
        });
        return;
      case "configured":
        this.#compare(frame.config ?? {});
        return;
      case "status":
        this.#status(frame.status);
        return;
      case "partial_transcript":
        this.#on.draft(frame.text);
        this.#on.event("transcript", { text: frame.text, final: false });
        return;
      case "transcription":
        this.#on.draft("");
        this.#on.event("transcript", { text: frame.text, final: true, turn_id: frame.turn_id });
        this.#think(true);
        return;
      case "message_chunk":
        this.#on.event("reply", {
          text: turn.reply,
          chunk: frame.chunk,
          final: frame.is_final ?? false,
          turn_id: frame.turn_id,
        });
        return;
      case "audio_stream_start":
        this.#beginReply(frame);
        return;
      case "audio_stream_end":
        this.#speaker.end();
        return;
      case "overlap": // a voice over the reply: it waits until the server knows what that voice wants
        this.#speaker.hold(frame.active ? frame.turn_id : null);
        return;
      case "interrupted":
        this.#speaker.cut();
        this.#on.event("interrupted", {
          heard_text: frame.heard_text,
          heard_ms: frame.heard_ms,
          cause: frame.cause,
          turn_id: frame.turn_id,
        });
        return;
      case "metrics":
        this.#on.event("metrics", { ...turn.metrics, turn_id: frame.turn_id });
        if (turn === this.#conversation.turns.at(-1)) this.#think(false);
        return;
      case "error":
        this.#failed(frame, turn);
    }
  }

  // A voice that is not there is served by another one, and the person is told.
  #compare({ tts_voice }) {
    const { voice } = this.#on.settings();
    if (voice && tts_voice && voice !== tts_voice) this.#hint(words.otherVoice(tts_voice));
  }

  #status(status) {
    this.#isWarming = status === "warming";
    if (this.#isWarming && this.#link.isOurs) this.#warmth.watch();
    if (!this.#isWarming) this.#on.warming(null);
    if (status === "processing") this.#isThinking = true;
    if (status === "ready" || status === "listening") this.#isThinking = false;
    this.#change();
  }

  #beginReply({ turn_id, sample_rate }) {
    if (soundObstacle()) return; // only a reply to speech, which cannot be spoken here, would bring one
    this.#speaker.begin(turn_id, sample_rate);
    setTimeout(() => this.#soundChanged(this.#sound.isRunning), SOUND_HELD_MS);
  }

  #failed(frame, turn) {
    const { code, message, retryable, stage, turn_id } = frame;
    this.#on.event("error", { code, message, retryable, stage, turn_id });
    if (!turn) this.#notice("error", message, code);
    if (stage !== "protocol" || turn?.over) this.#isThinking = false;
    this.#change();
  }

  // Sound.

  async #listen() {
    if (soundObstacle()) {
      this.#trouble(words.INSECURE);
      return;
    }
    this.#settle();
    await this.#talk.start();
  }

  #spoke(pcm, level) {
    this.#talk.frame(pcm, level);
    this.#on.sounded();
  }

  #played(turnId, cut) {
    const turn = cut ? null : this.#conversation.finished(turnId);
    if (turn) this.#on.turn(turn);
    this.#change();
  }

  async #microphoneLost() {
    if (!(await this.#talk.lost())) this.#trouble(words.MICROPHONE_LOST);
  }

  #soundChanged(isRunning) {
    if (isRunning) this.#settle("sound_held");
    else if (this.#speaker.isBusy || this.#talk.isListening)
      this.#notice("hint", words.SOUND_HELD.message, words.SOUND_HELD.code);
  }

  // Telling.

  #warmed(isWarming, progress, failure) {
    this.#isWarming = isWarming;
    this.#on.warming(progress);
    if (failure) this.#notice("error", failure, "stage_failed");
    else this.#settle("stage_failed");
    this.#change();
  }

  #think(isThinking) {
    this.#isThinking = isThinking;
    this.#change();
  }

  #change() {
    this.#on.changed();
  }

  /** A problem of our own: a sentence in place, and the `error` event. */
  #trouble({ code, message }) {
    if (code === this.#noticeCode) return; // said already, and still true
    this.#notice("error", message, code);
    this.#on.event("error", { code, message, retryable: true, stage: "client" });
  }

  #hint({ code, message }) {
    this.#notice("hint", message, code);
  }

  #notice(kind, text, code) {
    this.#noticeCode = code;
    this.#on.notice(kind, text);
  }

  /** Takes a notice away: this one, or whichever is there. */
  #settle(code = this.#noticeCode) {
    if (code !== this.#noticeCode) return;
    this.#noticeCode = null;
    this.#on.notice("hint", "");
  }
}
