/** Conversations, and one of them turn by turn. */

import { get } from "./api.js";
import { at, button, make, money, table } from "./dom.js";

const PAGE = 25;
const LONGEST_WAIT_MS = 2500;

export async function showConversations(page, offset = 0) {
  const found = await get(`conversations?status=all&limit=${PAGE}&offset=${offset}`);
  const columns = [
    { title: "Title", of: (one) => make("a", { href: `#conversations/${encodeURIComponent(one.id)}` }, one.title) },
    { title: "User", of: (one) => one.user_id },
    { title: "Messages", of: (one) => String(one.message_count), number: true },
    { title: "Last change", of: (one) => at(one.updated_at) },
  ];
  const pages = make("p", {});
  if (offset > 0) pages.append(button("Newer", () => showConversations(page, Math.max(offset - PAGE, 0))), " ");
  if (offset + PAGE < found.total) pages.append(button("Older", () => showConversations(page, offset + PAGE)));
  page.replaceChildren(
    make("h2", {}, `Conversations (${found.total})`),
    table(found.conversations, columns, "Nobody has said anything yet."),
    pages,
  );
}

export async function showConversation(page, id) {
  const [{ conversation }, feedback] = await Promise.all([
    get(`conversations/${encodeURIComponent(id)}`),
    get(`feedback/analyze/${encodeURIComponent(id)}`),
  ]);
  const opinions = Map.groupBy(feedback.feedback_details, (one) => one.message_id);
  const turns = conversation.messages.map((one) => turn(one, opinions.get(one.id) ?? []));
  const rating = feedback.average_rating === null ? "no rating" : `rated ${feedback.average_rating} of 5`;
  const list = make("ol", { class: "turns" }, turns);
  page.replaceChildren(
    make("h2", {}, conversation.title),
    make("p", { class: "quiet" }, `${at(conversation.created_at)}, ${conversation.user_id}, ${rating}`),
    make("p", {}, button("Replay", () => replay(turns, conversation.messages))),
    list,
  );
}

/** Shows the turns one after the other, in the pace of the conversation but without its longer silences. */
async function replay(turns, messages) {
  for (const one of turns) one.hidden = true;
  for (const [n, one] of turns.entries()) {
    if (!one.isConnected) return; // another view
    if (n > 0) {
      const waited = Date.parse(messages[n].created_at) - Date.parse(messages[n - 1].created_at);
      await new Promise((resolve) => setTimeout(resolve, Math.min(Math.max(waited, 300), LONGEST_WAIT_MS)));
    }
    one.hidden = false;
    one.scrollIntoView({ block: "nearest" });
  }
}

function turn(message, opinions) {
  const { content, written } = message;
  const unheard = written?.startsWith(content) ? written.slice(content.length) : "";
  const told = [
    message.role,
    at(message.created_at),
    message.heard_ms === null ? null : `heard for ${seconds(message.heard_ms)}`,
    message.is_complete === false ? "interrupted" : null,
    message.confidence === null ? null : `understood with ${Math.round(message.confidence * 100)} %`,
    ...Object.entries(message.timings).map(([name, ms]) => `${name.replace(/_ms$/, "").replaceAll("_", " ")} ${seconds(ms)}`),
    ...Object.values(message.providers),
    message.cost ? money(message.cost) : null,
    ...opinions.map((one) => [one.feedback_type.replaceAll("_", " "), one.comment].filter(Boolean).join(": ")),
  ];
  return make(
    "li",
    { class: message.role },
    make("p", {}, content, unheard ? make("del", { title: "Not heard" }, unheard) : null),
    make("small", {}, told.filter(Boolean).join(" · ")),
  );
}

const seconds = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);
