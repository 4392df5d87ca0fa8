/** Pointer, keys and assistive technology on the round control, as three wishes: tap, press, release. */

const TYPING =
  "input, textarea, select, button, a, summary, [contenteditable], [role='slider'], video, audio";

/**
 * Listens on the control. In push mode the control is held: `press()` and `release()`;
 * in open mode it is tapped: `tap()`.
 *
 * A click that no pointer and no key made comes from a screen reader or a voice command, which cannot hold: in push
 * mode it presses and the next one releases.
 */
export class Hands {
  #isPush;
  #isHeld = false;
  #on;

  constructor(control, isPush, handlers) {
    this.#isPush = isPush;
    this.#on = handlers;
    control.addEventListener("pointerdown", (event) => {
      if (!isPush() || event.button !== 0) return;
      control.setPointerCapture(event.pointerId);
      this.#down();
    });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"])
      control.addEventListener(name, () => this.letGo());
    control.addEventListener("contextmenu", (event) => this.#isHeld && event.preventDefault()); // a long touch
    control.addEventListener("keydown", (event) => this.#key(event, ["Space", "Enter"]));
    control.addEventListener("keyup", (event) => this.#keyUp(event, ["Space", "Enter"]));
    control.addEventListener("click", (event) => {
      if (!isPush()) this.#on.tap();
      else if (event.detail > 0)
        return; // the pointer has said it already
      else if (this.#isHeld) this.letGo();
      else this.#down();
    });
  }

  /** The space bar anywhere in `target` is the button, where it would not type or press something else. */
  spaceBar(target, signal) {
    target.addEventListener("keydown", (event) => isFree(event) && this.#key(event, ["Space"]), { signal });
    target.addEventListener("keyup", (event) => this.#keyUp(event, ["Space"]), { signal });
  }

  /** The finger is up, or nobody can tell any more. */
  letGo() {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#on.release();
  }

  #down() {
    if (this.#isHeld) return;
    this.#isHeld = true;
    this.#on.press();
  }

  #key(event, codes) {
    if (!this.#isPush() || !codes.includes(event.code) || event.ctrlKey || event.metaKey || event.altKey)
      return;
    event.preventDefault();
    if (!event.repeat) this.#down();
  }

  #keyUp(event, codes) {
    if (!this.#isHeld || !codes.includes(event.code)) return;
    event.preventDefault();
    this.letGo();
  }
}

function isFree(event) {
  const target = event.composedPath()[0];
  return !event.defaultPrevented && !(target instanceof Element && target.closest(TYPING));
}
