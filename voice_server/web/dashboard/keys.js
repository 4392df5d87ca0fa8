/** Keys: seen, made and revoked by who holds one of the scope `admin`. */

import { call, get } from "./api.js";
import { at, button, make, money, table } from "./dom.js";

export async function showKeys(page, made = null) {
  const { keys } = await get("keys?limit=200");
  const columns = [
    { title: "Name", of: (one) => one.name },
    { title: "Tier", of: (one) => one.tier },
    { title: "Scopes", of: (one) => one.scopes.join(", ") },
    { title: "Ends in", of: (one) => one.ends_in },
    { title: "Budget a month", of: (one) => money(one.monthly_budget), number: true },
    { title: "Last used", of: (one) => at(one.last_used_at) || "never" },
    { title: "", of: (one) => (one.revoked_at ? `revoked ${at(one.revoked_at)}` : revoker(page, one)) },
  ];
  page.replaceChildren(
    make("h2", {}, "Keys"),
    ...(made === null ? [] : [make("p", { class: "made", role: "status" }, "The new key, shown only now: ", make("code", {}, made))]),
    form(page),
    table(keys, columns, "No key has been made yet. The first one turns authentication on."),
  );
}

function revoker(page, key) {
  return button(
    "Revoke",
    async () => {
      if (!confirm(`Revoke ${key.name}? Its sessions end.`)) return;
      await call("DELETE", `keys/${encodeURIComponent(key.id)}`);
      await showKeys(page);
    },
    { class: "danger", "aria-label": `Revoke ${key.name}` },
  );
}

function form(page) {
  const name = make("input", { name: "name", required: true, maxlength: 200 });
  const tier = make("select", { name: "tier" }, ["free", "basic", "pro", "enterprise"].map((one) => make("option", {}, one)));
  const budget = make("input", { name: "budget", type: "number", min: 0.01, step: 0.01 });
  const scopes = ["voice", "chat", "admin"].map((one) => [one, make("input", { type: "checkbox", checked: one !== "admin" })]);
  const problem = make("p", { class: "error", role: "alert" });
  const create = make("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      const wish = {
        name: name.value,
        tier: tier.value,
        scopes: scopes.filter(([, box]) => box.checked).map(([one]) => one),
        monthly_budget: budget.value ? Number(budget.value) : null,
      };
      try {
        await showKeys(page, (await call("POST", "keys", wish)).key);
      } catch (error) {
        problem.textContent = error.message;
      }
    },
  });
  create.append(
    make("label", {}, "Name", name),
    make("label", {}, "Tier", tier),
    make("label", {}, "Budget a month, USD", budget),
    ...scopes.map(([one, box]) => make("label", { class: "inline" }, box, one)),
    make("button", {}, "Make a key"),
    problem,
  );
  return create;
}
