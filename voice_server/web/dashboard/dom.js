/** Makes elements. Text is always text, never markup. */

const SVG = "http://www.w3.org/2000/svg";

export function make(name, properties = {}, ...children) {
  return fill(document.createElement(name), properties, children);
}

export function draw(name, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, name), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null));
  return element;
}

/** A table; a column is `{title, of, number}`, and `of` gives text or an element. */
export function table(rows, columns, nothing) {
  if (rows.length === 0) return make("p", { class: "quiet" }, nothing);
  const kind = ({ number }) => (number ? { class: "number" } : {});
  return make(
    "table",
    {},
    make("thead", {}, make("tr", {}, columns.map((one) => make("th", { scope: "col", ...kind(one) }, one.title)))),
    make("tbody", {}, rows.map((row) => make("tr", {}, columns.map((one) => make("td", kind(one), one.of(row) ?? ""))))),
  );
}

export function at(time) {
  return time === null ? "" : new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

export function money(usd) {
  return usd === null ? "" : `$${usd.toFixed(usd !== 0 && usd < 1 ? 4 : 2)}`;
}

export function button(text, act, properties = {}) {
  const one = make("button", { type: "button", ...properties }, text);
  const problem = make("span", { class: "error", role: "alert" });
  one.addEventListener("click", async () => {
    one.disabled = true;
    problem.textContent = "";
    try {
      await act();
    } catch (error) {
      one.after(problem);
      problem.textContent = ` ${error.message}`;
    } finally {
      one.disabled = false;
    }
    if (!one.isConnected) document.querySelector("main").focus(); // it has taken the focus with it
  });
  return one;
}
