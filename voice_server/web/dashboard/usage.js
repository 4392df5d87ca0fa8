/** What was used, what it cost, how fast replies came. */

import { get } from "./api.js";
import { bars, curves } from "./charts.js";
import { make, money, table } from "./dom.js";

const number = (value) => value.toLocaleString();
const shortly = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

export async function showUsage(page) {
  const [daily, detailed, latency] = await Promise.all([
    get("usage?group=day"),
    get("usage?group=key&group=provider"),
    get("usage/latency"),
  ]);
  const { total } = daily;
  const tiles = [
    ["Requests", number(total.requests)],
    ["Minutes of audio", number(Math.round(total.audio_seconds / 6) / 10)],
    ["Tokens", number(total.input_tokens + total.output_tokens)],
    ["Characters spoken", number(total.characters)],
    ["Cost", money(total.cost)],
  ];
  const columns = [
    { title: "Key", of: (row) => row.key },
    { title: "Provider", of: (row) => row.provider },
    { title: "Requests and calls", of: (row) => number(row.requests + row.calls), number: true },
    { title: "Audio", of: (row) => `${number(row.audio_seconds)} s`, number: true },
    { title: "Tokens", of: (row) => number(row.input_tokens + row.output_tokens), number: true },
    { title: "Characters", of: (row) => number(row.characters), number: true },
    { title: "Cost", of: (row) => money(row.cost), number: true },
  ];
  const days = daily.rows.map((row) => row.day);
  const waits = latency.days;
  page.replaceChildren(
    make("h2", {}, `Usage from ${daily.first} to ${daily.last}`),
    make("ul", { class: "tiles" }, tiles.map(([name, value]) => make("li", {}, make("strong", {}, value), name))),
    ...(days.length === 0
      ? []
      : [
          bars("Seconds of audio a day", days, daily.rows.map((row) => row.audio_seconds), (value) => number(Math.round(value))),
          bars("Calls of providers a day", days, daily.rows.map((row) => row.calls), (value) => number(Math.round(value))),
          ...(total.cost > 0 ? [bars("Cost a day (USD)", days, daily.rows.map((row) => row.cost), money)] : []),
        ]),
    ...(waits.length === 0
      ? []
      : [
          curves(
            "Wait for a reply: the middle one, and (dashed) the slowest in twenty",
            waits.map((one) => one.day),
            [
              { name: "middle", values: waits.map((one) => one.median_ms) },
              { name: "slowest in twenty", values: waits.map((one) => one.slowest_20th_ms), slow: true },
            ],
            shortly,
          ),
        ]),
    table(detailed.rows, columns, "Nothing was used."),
  );
}
