// Who may use Central: people and programs with their roles, and what they changed.
//
// A key is made by the server, kept there hashed, and shown once. It is the password of the name, or
// a Bearer token.

import { html, useState } from "../vendor/htm-preact.js";
import { exists, item, put, remove } from "../api.js";
import { link, tabOf, usePolled } from "../hooks.js";
import { moment, t } from "../i18n.js";
import { CopyButton, Dialog, Failure, Field, Tabs } from "../widgets.js";

const TABS = { people: "People and programs", audit: "Audit" };
const ROLES = { viewer: "Viewer", editor: "Editor", admin: "Administrator" };
const HELP = {
  viewer: "Sees everything but secrets, changes nothing.",
  editor: "Changes streams, streamers and all that belongs to them.",
  admin: "Does everything, also this page.",
};
const POLL_MS = 10_000;

const KEY_BYTES = 24;

/** URL-safe Base64 (RFC 4648 section 5). */
const newKey = () =>
  btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(KEY_BYTES)))).replaceAll("+", "-").replaceAll("/", "_");

export function Access({ route }) {
  const tab = tabOf(route, TABS);
  return html`<header class="bar"><h1>${t("Access")}</h1></header>
    <${Tabs} tabs=${TABS} current=${tab} base=${link("access")} />
    <section>${tab === "people" ? html`<${People} />` : html`<${Audit} />`}</section>`;
}

function People() {
  const { data, error, reload } = usePolled("/api_tokens?limit=1000", POLL_MS);
  const [failure, setFailure] = useState(null);
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState(null);
  const attempt = async (action) => {
    try {
      await action();
      setFailure(null);
      reload();
    } catch (problem) {
      setFailure(problem);
    }
  };
  const renew = (name) => attempt(async () => setMade(await put(item("api_tokens", name), { key: newKey() })));
  const erase = (name) => confirm(t("Delete {name}? It is refused from now on.", { name })) && attempt(() => remove(item("api_tokens", name)));
  const close = (token) => {
    setAdding(false);
    if (token) setMade(token);
    reload();
  };
  return html`<div class="bar"><button type="button" onClick=${() => setAdding(true)}>${t("Add a person or program")}</button></div>
    <${Failure} error=${error || failure} />
    ${made && html`<div class="banner" role="status"><p>${t("Its key is shown once: keep it.")}</p>
      <p><b>${made.name}</b> <code>${made.key}</code> <${CopyButton} text=${made.key} label=${t("Key")} /></p></div>`}
    ${data && !data.api_tokens.length && html`<p class="empty">${t("Nobody but the administrator has access.")}</p>`}
    ${data?.api_tokens.length > 0 && html`<table class="list stacked people">
      <thead><tr><th>${t("Name")}</th><th>${t("Role")}</th><th class="wide">${t("Comment")}</th><th class="wide">${t("Since")}</th><th><span class="unseen">${t("Actions")}</span></th></tr></thead>
      <tbody>${data.api_tokens.map((token) => html`<tr key=${token.name}>
        <td class="name">${token.name}</td><td><${Role} token=${token} onChoose=${(role) => attempt(() => put(item("api_tokens", token.name), { role }))} /></td>
        <td class="wide">${token.comment || "–"}</td><td class="wide">${token.created_at ? moment(token.created_at) : "–"}</td>
        <td><span class="actions">
          <button type="button" class="small" aria-label=${t("New key for {name}", token)} onClick=${() => renew(token.name)}>${t("New key")}</button>
          <button type="button" class="small danger" aria-label=${t("Delete {name}", token)} onClick=${() => erase(token.name)}>${t("Delete")}</button>
        </span></td>
      </tr>`)}</tbody>
    </table>`}
    ${adding && html`<${AddToken} onClose=${close} />`}`;
}

function Role({ token, onChoose }) {
  return html`<select aria-label=${t("Role of {name}", token)} onChange=${(event) => onChoose(event.target.value)}>
    ${Object.entries(ROLES).map(([role, title]) => html`<option key=${role} value=${role} selected=${role === (token.role || "editor")}>${t(title)}</option>`)}
  </select>`;
}

function AddToken({ onClose }) {
  const [error, setError] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const name = form.get("name").trim();
    try {
      // PUT merges: a name that is known already would get another role.
      if (await exists("api_tokens", "name", name)) throw new Error(t("{name} exists already.", { name }));
      onClose(await put(item("api_tokens", name), { role: form.get("role"), comment: form.get("comment").trim() || null }));
    } catch (failure) {
      setError(failure);
    }
  };
  return html`<${Dialog} title=${t("Add a person or program")} onClose=${() => onClose()}>
    <form onSubmit=${submit}>
      <${Field} label=${t("Name")} hint=${t("Also the login; the key is the password.")}><input name="name" required autocomplete="off" autofocus /><//>
      <fieldset class="group"><legend>${t("Role")}</legend>
        ${Object.entries(ROLES).map(([role, title]) => html`<p key=${role}><label class="check"><input type="radio" name="role" value=${role} defaultChecked=${role === "viewer"} />
          <span>${t(title)}<small>${t(HELP[role])}</small></span></label></p>`)}
      </fieldset>
      <${Field} label=${t("Comment")}><input name="comment" autocomplete="off" /><//>
      <${Failure} error=${error} />
      <div class="bar end">
        <button type="button" class="plain" onClick=${() => onClose()}>${t("Cancel")}</button>
        <button>${t("Create")}</button>
      </div>
    </form>
  <//>`;
}

/** What the API calls otherwise than people. */
const ENTITIES = { api_token: "access of" };

/** The keys that differ between two documents. */
function changed(before, after) {
  if (!before) return t("made");
  if (!after) return t("deleted");
  return Object.keys({ ...before, ...after }).filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key])).join(", ");
}

function Audit() {
  const { data, error } = usePolled("/audit?limit=200", POLL_MS);
  return html`<${Failure} error=${error} />
    ${data && !data.audit.length && html`<p class="empty">${t("Nothing was changed yet.")}</p>`}
    ${data?.audit.length > 0 && html`<table class="list">
      <thead><tr><th>${t("Time")}</th><th>${t("Who")}</th><th>${t("What")}</th><th class="wide">${t("Change")}</th></tr></thead>
      <tbody>${data.audit.map((entry, index) => html`<tr key=${index}>
        <td><time>${moment(entry.utc_ms)}</time></td>
        <td>${entry.originator}<small>${t(entry.role)} ${entry.ip}</small></td>
        <td class="url">${t(ENTITIES[entry.entity_type] || entry.entity_type)} ${entry.entity_id}</td>
        <td class="wide url">${changed(entry.before, entry.after)}</td>
      </tr>`)}</tbody>
    </table>`}`;
}
