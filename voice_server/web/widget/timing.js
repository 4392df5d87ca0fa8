/** Where the time of a reply went: one stacked bar, shown on demand. */

import { make } from "./template.js";

const STAGES = [
  { stage: "wait", field: "endpoint_ms", name: "Wait", role: null },
  { stage: "transcript", field: "stt_ms", name: "Transcript", role: "stt" },
  { stage: "token", field: "llm_first_token_ms", name: "First token", role: "llm" },
  { stage: "clause", field: "llm_first_clause_ms", name: "First clause", role: "llm" },
  { stage: "sound", field: "tts_first_audio_ms", name: "First sound", role: "tts" },
];

/** A disclosure button with its bar; null when the server measured nothing. */
export function timing(metrics) {
  const parts = partsOf(metrics);
  if (parts.length === 0) return null;
  const total_ms = metrics.response_ms ?? parts.reduce((sum, part) => sum + part.ms, 0);
  const detail = make("div", { hidden: true });
  const button = make("button", {
    className: "plain",
    type: "button",
    textContent: `Answered in ${seconds(total_ms)}`,
  });
  button.title = "Where the time went";
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", () => {
    if (!detail.hasChildNodes()) detail.append(...chart(parts));
    detail.hidden = !detail.hidden;
    button.setAttribute("aria-expanded", String(!detail.hidden));
  });
  const root = make("div", { className: "timing" }, button, detail);
  root.setAttribute("part", "timing");
  return root;
}

function partsOf(metrics) {
  const parts = STAGES.flatMap(({ stage, field, name, role }) => {
    let ms = metrics[field];
    if (stage === "sound" && typeof ms === "number") ms = Math.max(ms - (metrics.llm_first_clause_ms ?? 0), 0);
    return typeof ms === "number" ? [{ stage, name, ms, provider: role && metrics.providers?.[role] }] : [];
  });
  const rest_ms = (metrics.response_ms ?? 0) - parts.reduce((sum, part) => sum + part.ms, 0);
  // Stages may overlap, then the rest is negative: the bar shows what each took, the button the whole.
  if (parts.length > 0 && rest_ms >= 1)
    parts.push({ stage: "rest", name: "Other", ms: rest_ms, provider: null });
  return parts;
}

function chart(parts) {
  const provider = make("p", { className: "provider" });
  const legend = make("ul", { className: "legend" });
  const bar = make("div", { className: "bar" });
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", "Time by stage");
  for (const part of parts) {
    const swatch = make("i");
    swatch.dataset.stage = part.stage;
    const item = make("li", {}, swatch, `${part.name} ${Math.round(part.ms)} ms`);
    const words = `${part.name}: ${Math.round(part.ms)} ms${part.provider ? `, by ${part.provider}` : ""}`;
    const piece = make("span", { tabIndex: 0 });
    piece.dataset.stage = part.stage;
    piece.style.flexGrow = Math.max(part.ms, 0.1);
    piece.setAttribute("role", "img");
    piece.setAttribute("aria-label", words);
    const light = (isLit) => {
      item.toggleAttribute("data-lit", isLit);
      provider.textContent = isLit ? words : "";
    };
    for (const target of [piece, item]) {
      target.addEventListener("pointerenter", () => light(true));
      target.addEventListener("pointerleave", () => light(false));
    }
    piece.addEventListener("focus", () => light(true));
    piece.addEventListener("blur", () => light(false));
    bar.append(piece);
    legend.append(item);
  }
  return [bar, legend, provider];
}

const seconds = (ms) => (ms < 995 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);
