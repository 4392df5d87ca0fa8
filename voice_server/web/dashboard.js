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
  conversations: ["Conversations", (id) => (id ? showConversation(main, id) : showConversations(main))],
  live: ["Live", () => showLive(main, leaving.signal)],
  usage: ["Usage", () => showUsage(main)],
  feedback: ["Feedback", () => showFeedback(main)],
  templates: ["Templates", () => showTemplates(main)],
  keys: ["Keys", () => showKeys(main)],
};
let leaving = new AbortController();

addEventListener("hashchange", showView);
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
  nav.replaceChildren();
  who.replaceChildren();
  leaving.abort();
  askForKey("");
}

async function showView() {
  leaving.abort();
  leaving = new AbortController();
  const [name, id] = location.hash.slice(1).split("/");
  const view = VIEWS[name] ? name : "conversations";
  for (const link of nav.children) {
    if (link.hash === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  try {
    await VIEWS[view][1](id && decodeURIComponent(id));
  } catch (error) {
    if (error.status === 401) askForKey("You have been signed out.");
    else main.replaceChildren(make("p", { class: "error", role: "alert" }, error.message));
  }
}

function askForKey(why) {
  const key = make("input", { type: "password", autocomplete: "off", required: true });
  const problem = make("p", { class: "error", role: "alert" }, why);
  const form = make("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      try {
        greet(await call("POST", "login", { api_key: key.value }));
        await showView();
      } catch (error) {
        problem.textContent = error.message;
      }
    },
  });
  form.append(make("label", {}, "API key", key), make("button", {}, "Sign in"));
  main.replaceChildren(make("h2", {}, "Sign in"), form, problem);
  key.focus();
}
