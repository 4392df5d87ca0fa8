/** The conversation on the page: one block for what was said, one for the answer. */

import { splitHeard } from "./conversation.js";
import { make } from "./template.js";
import { timing } from "./timing.js";

const AT_END_PX = 24;

export class Log {
  #flow = make("div");
  #blocks = new Map(); // turn -> its blocks
  #draft = block("mine draft", "You", "said");

  constructor(root) {
    this.#draft.root.hidden = true;
    this.#flow.append(this.#draft.root);
    root.append(this.#flow);
    followEnd(root, this.#flow);
  }

  get isEmpty() {
    return this.#flow.childElementCount === 1 && this.#draft.root.hidden;
  }

  /** What is being said, not final; an empty text hides it. */
  draft(text) {
    this.#draft.body.textContent = text;
    this.#draft.root.hidden = text === "";
  }

  /** Draws a turn, new or changed. */
  turn(turn) {
    const { mine, theirs, trouble } = this.#blocksOf(turn);
    mine.root.hidden = !turn.user;
    mine.body.textContent = turn.user ?? "";
    theirs.root.hidden = turn.reply === "";
    theirs.body.replaceChildren(...replyNodes(turn));
    if (turn.metrics && !theirs.timing) {
      theirs.timing = timing(turn.metrics) ?? make("div");
      theirs.root.append(theirs.timing);
    }
    trouble.replaceChildren(
      ...turn.errors.map((text) => make("p", { className: "trouble", textContent: text })),
    );
  }

  /** A sentence between turns. */
  divide(text) {
    this.#flow.insertBefore(make("p", { className: "divider", textContent: text }), this.#draft.root);
  }

  #blocksOf(turn) {
    const known = this.#blocks.get(turn);
    if (known) return known;
    const blocks = {
      mine: block("mine", "You", "said"),
      theirs: block("theirs", "Assistant", "reply"),
      trouble: make("div"),
    };
    blocks.mine.root.setAttribute("part", "user");
    blocks.theirs.root.setAttribute("part", "assistant");
    for (const node of [blocks.mine.root, blocks.theirs.root, blocks.trouble]) {
      this.#flow.insertBefore(node, this.#draft.root);
    }
    this.#blocks.set(turn, blocks);
    return blocks;
  }
}

/** Keeps the end in view while it grows; the reader who has scrolled back is left where they read. */
function followEnd(root, flow) {
  let isAtEnd = true;
  let top_px = 0;
  const follow = () => isAtEnd && (root.scrollTop = root.scrollHeight);
  root.addEventListener("scroll", () => {
    // Only going up means leaving: our own scrolling is told late, when the text may have grown again.
    if (root.scrollHeight - root.scrollTop - root.clientHeight < AT_END_PX) isAtEnd = true;
    else if (root.scrollTop < top_px) isAtEnd = false;
    top_px = root.scrollTop;
  });
  const observer = new ResizeObserver(follow);
  observer.observe(flow);
  observer.observe(root);
}

function replyNodes(turn) {
  if (!turn.interrupted) return [turn.reply];
  const [heard, unheard] = splitHeard(turn.reply, turn.heard ?? "");
  if (unheard.trim() === "") return [turn.reply];
  const aside = (textContent) => make("span", { className: "unseen", textContent }); // a line through is not read aloud
  return [heard, aside(" (interrupted; not heard: "), make("s", { textContent: unheard }), aside(")")];
}

function block(className, who, bodyClass) {
  const body = make("p", { className: bodyClass });
  return {
    root: make("div", { className }, make("span", { className: "who", textContent: who }), body),
    body,
  };
}
