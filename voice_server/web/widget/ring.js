/**
 * The ring around the control: ticks that show the level of whoever speaks.
 *
 * The newest moment is at the top and runs down both sides. The person's ticks grow from the outside in, the
 * assistant's from the inside out, so that the two differ in shape and not only in time.
 */

const TICKS = 96;
const HISTORY = TICKS / 2;
const STEP_MS = 24; // how long a moment stays at the top
const FLOOR_DB = -48; // quieter than this is drawn as silence

const still = matchMedia("(prefers-reduced-motion: reduce)");

export class LevelRing {
  #canvas;
  #control;
  #sample;
  #history = Array.from({ length: HISTORY }, () => ({ mine: 0, theirs: 0 }));
  #steppedAt = 0;
  #request = 0;

  /** `sample()` gives `{mine, theirs}`, two RMS levels from 0 to 1. */
  constructor(canvas, control, sample) {
    this.#canvas = canvas;
    this.#control = control;
    this.#sample = sample;
  }

  /** Draws until everything is quiet again. With reduced motion one still ring is drawn. */
  wake() {
    if (this.#request === 0) this.#request = requestAnimationFrame((now_ms) => this.#frame(now_ms));
  }

  rest() {
    cancelAnimationFrame(this.#request);
    this.#request = 0;
  }

  #frame(now_ms) {
    this.#request = 0;
    const { mine, theirs } = this.#sample();
    const moment = still.matches
      ? { mine: 0, theirs: 0 }
      : { mine: loudness(mine), theirs: loudness(theirs) };
    if (now_ms - this.#steppedAt >= STEP_MS) {
      this.#steppedAt = now_ms;
      this.#history.pop();
      this.#history.unshift(moment);
    }
    this.#draw();
    if (this.#history.some((each) => each.mine > 0 || each.theirs > 0)) this.wake();
  }

  #draw() {
    const { clientWidth: size_px } = this.#canvas;
    const pixels = Math.round(size_px * devicePixelRatio);
    if (this.#canvas.width !== pixels) this.#canvas.width = this.#canvas.height = pixels;
    const pen = this.#canvas.getContext("2d");
    const style = getComputedStyle(this.#canvas);
    const inner = this.#control.offsetWidth / 2 + 8;
    const outer = size_px / 2 - 2;
    pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    pen.clearRect(0, 0, size_px, size_px);
    pen.translate(size_px / 2, size_px / 2);
    pen.lineWidth = 2;
    pen.lineCap = "round";
    for (let tick = 0; tick < TICKS; tick++) {
      const { mine, theirs } = this.#history[Math.min(tick, TICKS - 1 - tick)];
      const middle = (inner + outer) / 2;
      const reach = outer - inner;
      pen.save();
      pen.rotate(((tick + 0.5) / TICKS) * 2 * Math.PI);
      line(pen, middle, middle, style.outlineColor);
      if (mine > 0) line(pen, outer, outer - mine * reach, style.color);
      if (theirs > 0) line(pen, inner, inner + theirs * reach, style.color);
      pen.restore();
    }
  }
}

/** RMS as the ear takes it: 0 for silence, 1 for a loud voice. */
function loudness(rms) {
  if (rms <= 0) return 0;
  return Math.min(1, Math.max(0, 1 - (20 * Math.log10(rms) + 10) / (FLOOR_DB + 10)));
}

function line(pen, from, to, colour) {
  pen.strokeStyle = colour;
  pen.beginPath();
  pen.moveTo(0, -from);
  pen.lineTo(0, -to - 0.01);
  pen.stroke();
}
