/** The conversation as frames tell it: a list of turns, and nothing about how they look. */

/**
 * A turn: `id` (null until the server has named it), `user` (null when the assistant opens), `reply`, `heard`
 * (null until known: the part of an interrupted reply that was heard, or the whole reply), `interrupted`,
 * `metrics`, `errors`, `spoken` (it had audio), `over`.
 */
export class Conversation {
  turns = [];
  draft = ""; // what is being said, not final

  /** A typed message; the server names its turn later. */
  typed(text) {
    return this.#add(null, text);
  }

  /** Applies a frame; gives the turn it changed, or null. */
  take(frame) {
    switch (frame.type) {
      case "partial_transcript":
        this.draft = frame.text;
        return null;
      case "transcription": {
        this.draft = "";
        const turn =
          this.#turn(frame.turn_id, (pending) => pending.user === frame.text) ?? this.#add(frame.turn_id, "");
        turn.user = frame.text;
        return turn;
      }
      case "message_chunk": {
        const turn = this.#reply(frame);
        turn.reply += frame.chunk;
        return turn;
      }
      case "ai_response": {
        const turn = this.#reply(frame);
        turn.reply = frame.text;
        return turn;
      }
      case "audio_stream_start": {
        const turn = this.#reply(frame);
        turn.spoken = true;
        return turn;
      }
      case "interrupted": {
        const turn = this.#reply(frame);
        turn.interrupted = true;
        turn.heard = frame.heard_text;
        return turn;
      }
      case "metrics": {
        const { type: _type, seq: _seq, turn_id: _turn, ...metrics } = frame;
        const turn = this.#reply(frame);
        turn.metrics = metrics;
        turn.over = true;
        if (!turn.spoken && !turn.interrupted) turn.heard = turn.reply;
        return turn;
      }
      case "error": {
        const turn = frame.turn_id ? this.#reply(frame) : this.#refused(frame);
        turn?.errors.push(frame.message);
        return turn;
      }
      default:
        return null;
    }
  }

  /** The sound of a reply was heard to its end. */
  finished(turnId) {
    const turn = this.turns.find((each) => each.id === turnId);
    if (turn && !turn.interrupted) turn.heard = turn.reply;
    return turn ?? null;
  }

  /**
   * The session is gone, and with it the names of its turns: nothing more comes for them, `kept` ones excepted.
   * True when a turn under way is lost.
   */
  abandon(kept) {
    this.draft = "";
    const gone = this.turns.filter((turn) => !kept.includes(turn));
    const isLost = gone.some((turn) => !turn.over);
    for (const turn of gone) Object.assign(turn, { id: null, over: true });
    return isLost;
  }

  // A reply whose turn nobody has seen belongs to the oldest typed message that waits for one: spoken turns
  // are named by their transcription. With none waiting, the assistant has opened the conversation.
  #reply({ turn_id }) {
    return this.#turn(turn_id, () => true) ?? this.#add(turn_id, null);
  }

  // Of all that we send only a typed message can be too large; no reply will come to it.
  #refused({ code }) {
    if (code !== "too_large") return null;
    const turn = this.turns.findLast((each) => each.id === null && !each.over) ?? null;
    if (turn) turn.over = true;
    return turn;
  }

  #turn(id, mayAdopt) {
    const known = this.turns.find((turn) => turn.id === id);
    if (known) return known;
    const pending = this.turns.find((turn) => turn.id === null && !turn.over && mayAdopt(turn));
    if (pending) pending.id = id;
    return pending;
  }

  #add(id, user) {
    const turn = {
      id,
      user,
      reply: "",
      heard: null,
      interrupted: false,
      metrics: null,
      errors: [],
      spoken: false,
      over: false,
    };
    this.turns.push(turn);
    return turn;
  }
}

/** Cuts a reply after its heard part: `[heard, unheard]`. White space may differ between the two texts. */
export function splitHeard(reply, heard) {
  let at = 0;
  for (const character of heard.replace(/\s+/g, "")) {
    while (at < reply.length && /\s/.test(reply[at])) at += 1;
    if (!reply.startsWith(character, at)) break;
    at += character.length;
  }
  return [reply.slice(0, at), reply.slice(at)];
}
