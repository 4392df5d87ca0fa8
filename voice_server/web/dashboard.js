/** The page at `/dashboard`: signs in with a key, keeps none, and shows one view at a time. */

import { call, get } from "./dashboard/modules/api.js";
import { showConversation, showConversations } from "./dashboard/modules/conversations.js";
import { button, make } from "./dashboard/modules/dom.js";
import { showKeys } from "./dashboard/modules/keys.js";
import { showFeedback, showLive, showTemplates } from "./dashboard/modules/others.js";
import { showUsage } from "./dashboard/modules/usage.js";

const main = document.querySelector("main");
const nav = document.querySelector("nav");
const who = document.querySelector("#who");
const VIEWS = {
  conversations: ["Conversations", (page, id) => (id ? showConversation(page, id) : showConversations(page))],
  live: ["Live", (page) => showLive(page, leaving.signal)],
  usage: ["Usage", showUsage],
  feedback: ["Feedback", showFeedback],
  templates: ["Templates", showTemplates],
  keys: ["Keys", (page) => showKeys(page)],
};
let leaving = new AbortController(); // aborted when the view is another one

addEventListener("hashchange", goToView);
await start();

async function start() {
  try {
    greet(await get("me"));
  } catch (error) {
    askForKey(error.status === 401 ? "" : error.message);
    return;
  }
  await showView();
}

function greet(me) {
  const shown = Object.entries(VIEWS).filter(([name]) => name !== "keys" || me.scopes.includes("admin"));
  nav.replaceChildren(...shown.map(([name, [title]]) => make("a", { href: `#${name}` }, title)));
  if (me.key === null) return;
  who.replaceChildren(`${me.name} (${me.tier}) `, button("Sign out", signOut));
}

async function signOut() {
  await call("POST", "logout");
  leaving.abort();
  nav.replaceChildren();
  who.replaceChildren();
  askForKey("");
}

/** Shows the view that was asked for; whoever does not see the page hears it from its beginning. */
async function goToView() {
  await showView();
  main.focus();
}

async function showView() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const [name, id] = location.hash.slice(1).split("/");
  const view = Object.hasOwn(VIEWS, name) ? name : "conversations";
  for (const link of nav.children) {
    if (link.hash === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const page = make("div"); // of this view alone: one that comes too late writes where nobody looks
  try {
    await VIEWS[view][1](page, id && decodeURIComponent(id));
  } catch (error) {
    if (signal.aborted) return;
    if (error.status === 401) {
      askForKey("You have been signed out.");
      return;
    }
    page.replaceChildren(make("p", { class: "error", role: "alert" }, error.message));
  }
  if (!signal.aborted) main.replaceChildren(page);
}

function askForKey(why) {
  const key = make("input", { type: "password", autocomplete: "off", required: true });
  const problem = make("p", { class: "error", role: "alert" }, why);
  const form = make("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      try {
        greet(await call("POST", "login", { api_key: key.value }));
        await goToView();
      } catch (error) {
        problem.textContent = error.message;
      }
    },
  });
  form.append(make("label", {}, "API key", key), make("button", {}, "Sign in"));
  main.replaceChildren(make("h2", {}, "Sign in"), form, problem);
  key.focus();
}
