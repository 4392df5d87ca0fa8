/** Templates, feedback and live sessions. */

import { call, get } from "./api.js";
import { at, button, make, table } from "./dom.js";

const LIVE_EVERY_MS = 5000;
const LOOKED_AT = 25;

export async function showTemplates(page) {
  const { templates } = await get("templates");
  const columns = [
    { title: "Name", of: (one) => one.name },
    { title: "Title", of: (one) => one.display_name },
    { title: "Description", of: (one) => one.description },
    { title: "", of: (one) => (one.is_builtin ? "built in" : remover(page, one)) },
  ];
  page.replaceChildren(make("h2", {}, "Templates"), table(templates, columns, "There are none."));
}

function remover(page, template) {
  return button(
    "Delete",
    async () => {
      if (!confirm(`Delete the template ${template.name}?`)) return;
      await call("DELETE", `templates/${encodeURIComponent(template.name)}`);
      await showTemplates(page);
    },
    { class: "danger", "aria-label": `Delete ${template.name}` },
  );
}

/** Of the newest conversations. */
export async function showFeedback(page) {
  const { conversations } = await get(`conversations?status=all&limit=${LOOKED_AT}`);
  const analyses = await Promise.all(
    conversations.map(async (one) => [one, await get(`feedback/analyze/${encodeURIComponent(one.id)}`)]),
  );
  const judged = analyses.filter(([, found]) => found.messages_with_feedback > 0);
  const columns = [
    { title: "Conversation", of: ([one]) => make("a", { href: `#conversations/${encodeURIComponent(one.id)}` }, one.title) },
    { title: "Good", of: ([, found]) => String(found.positive_feedback), number: true },
    { title: "Bad", of: ([, found]) => String(found.negative_feedback), number: true },
    { title: "Rating", of: ([, found]) => found.average_rating?.toFixed(1) ?? "", number: true },
    { title: "Comments", of: ([, found]) => found.feedback_details.map((one) => one.comment).filter(Boolean).join(" · ") },
  ];
  page.replaceChildren(
    make("h2", {}, `Feedback on the newest ${LOOKED_AT} conversations`),
    table(judged, columns, "Nobody has given any."),
  );
}

/** Looks again now and then, until `signal` is aborted, but takes no button from under a finger. */
export async function showLive(page, signal) {
  await drawLive(page);
  if (signal.aborted) return;
  const timer = setInterval(() => {
    if (document.hidden || page.contains(document.activeElement)) return;
    drawLive(page).catch((error) => page.replaceChildren(title(), make("p", { class: "error" }, error.message)));
  }, LIVE_EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(timer));
}

async function drawLive(page) {
  const { sessions } = await get("sessions?limit=200");
  const columns = [
    { title: "User", of: (one) => one.user_id },
    { title: "Since", of: (one) => at(one.since) },
    { title: "State", of: (one) => (one.is_connected ? one.state : "waiting for its client") },
    { title: "Turns", of: (one) => String(one.turns), number: true },
    { title: "", of: (one) => make("a", { href: `#conversations/${encodeURIComponent(one.conversation_id)}` }, "Transcript") },
    { title: "", of: (one) => ender(page, one) },
  ];
  page.replaceChildren(title(), table(sessions, columns, "Nobody is talking now."));
}

const title = () => make("h2", {}, "Live sessions");

function ender(page, session) {
  return button(
    "End",
    async () => {
      await call("DELETE", `sessions/${encodeURIComponent(session.id)}`);
      await drawLive(page);
    },
    { class: "danger", "aria-label": `End the session of ${session.user_id}` },
  );
}
