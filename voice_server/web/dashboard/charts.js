/** Small charts in SVG. What they show is in a table beside them, too. */

import { draw, make } from "./dom.js";

const WIDTH = 720;
const HEIGHT = 200;
const LEFT = 56;
const BOTTOM = 24;
const TOP = 12;
const WIDEST_BAR = 40;

/** `days` are the labels; `values` the heights of the bars. */
export function bars(caption, days, values, shown) {
  const { x, y, step, frame } = scale(days, Math.max(...values), shown);
  const width = Math.min(step * 0.7, WIDEST_BAR);
  const drawn = values.map((value, n) =>
    draw(
      "rect",
      { class: "bar", x: x(n) - width / 2, width, y: y(value), height: HEIGHT - BOTTOM - y(value) },
      draw("title", {}, `${days[n]}: ${shown(value)}`),
    ),
  );
  return figure(caption, [...frame, ...drawn]);
}

/** Each of `lines` is `{name, values, slow}`. */
export function curves(caption, days, lines, shown) {
  const { x, y, frame } = scale(days, Math.max(...lines.flatMap((line) => line.values)), shown);
  const drawn = lines.flatMap(({ name, values, slow }) => {
    const kind = slow ? " slow" : "";
    const points = values.map((value, n) => `${x(n)},${y(value)}`).join(" ");
    const dots = values.map((value, n) =>
      draw(
        "circle",
        { class: `dot${kind}`, cx: x(n), cy: y(value), r: 3 },
        draw("title", {}, `${days[n]}, ${name}: ${shown(value)}`),
      ),
    );
    return [draw("polyline", { class: `line${kind}`, points }), ...dots];
  });
  return figure(caption, [...frame, ...drawn]);
}

function scale(days, most, shown) {
  const top = most > 0 ? most : 1;
  const step = (WIDTH - LEFT) / days.length;
  const x = (n) => LEFT + step * (n + 0.5);
  const y = (value) => TOP + (HEIGHT - BOTTOM - TOP) * (1 - value / top);
  const every = Math.ceil(days.length / 8);
  const frame = [
    ...[0, top / 2, top].flatMap((value) => [
      draw("line", { class: "axis", x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value) }),
      draw("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, shown(value)),
    ]),
    ...days
      .map((day, n) => draw("text", { x: x(n), y: HEIGHT - 6, "text-anchor": "middle" }, day.slice(5)))
      .filter((_, n) => n % every === 0),
  ];
  return { x, y, step, frame };
}

function figure(caption, drawn) {
  return make(
    "figure",
    {},
    make("figcaption", {}, caption),
    draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": caption }, ...drawn),
  );
}
