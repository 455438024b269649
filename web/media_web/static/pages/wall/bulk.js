// Changes of many streams at once: those that were chosen, or all that match.

import { html, useState } from "../../vendor/htm-preact.js";
import { BULK_TIMEOUT_MS, get, item, put, remove } from "../../api.js";
import { t } from "../../i18n.js";
import { Failure } from "../../widgets.js";
import { queryOf } from "./wall.js";

const MOST = 10_000; // of one change: the bound of the API
const AT_ONCE = 6; // requests, where each stream needs one

/** Calls `action` for each name, some at a time; the first failure ends it. */
async function forEach(names, action) {
  const left = [...names];
  const work = async () => {
    while (left.length) await action(left.shift());
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** Central takes many streams in one request, all or none. */
const patchAll = (names, patch, central) =>
  central ? put("/streams/batch", names.map((name) => ({ name, ...patch })), { timeoutMs: BULK_TIMEOUT_MS }) : forEach(names, (name) => put(item("streams", name), patch));

export function Bulk({ chosen, setChosen, streams, count, query, ui, onDone }) {
  const [error, setError] = useState(null);
  const [note, setNote] = useState("");
  const [busy, setBusy] = useState(false);
  const names = [...chosen];
  const act = (done, action) => async () => {
    setBusy(true);
    setNote("");
    try {
      await action();
      setNote(t(done, { count: names.length }));
      setError(null);
      setChosen(new Set());
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
    onDone();
  };
  const patch = (changes) => () => patchAll(names, changes, ui.product === "central");
  const erase = async () => {
    if (!confirm(t("Delete {count} streams?", { count: names.length }))) return;
    await act("Deleted: {count}.", () => forEach(names, (name) => remove(item("streams", name))))();
  };
  const label = async () => {
    const [, key, value] = /^\s*([\w.-]+)\s*=\s*(.*?)\s*$/.exec(prompt(t("Label, as key=value; without a value it is removed")) || "") || [];
    if (key) await act("Labelled: {count}.", patch({ labels: { [key]: value || null } }))();
  };
  const chooseAll = async () => {
    const found = await get(`/streams?${queryOf(query, { limit: MOST, select: "name" })}`);
    setChosen(new Set(found.streams.map(({ name }) => name)));
  };
  return html`<div class="bulk" role="group" aria-label=${t("Change many streams")} hidden=${!names.length}>
      <b>${t("Chosen: {count}", { count: names.length })}</b>
      ${names.length < count && streams.every(({ name }) => chosen.has(name)) && html`<button type="button" class="small" onClick=${chooseAll}>${t("Choose all {count}", { count })}</button>`}
      <button type="button" class="small" disabled=${busy} onClick=${act("Enabled: {count}.", patch({ disabled: false }))}>${t("Enable")}</button>
      <button type="button" class="small" disabled=${busy} onClick=${act("Disabled: {count}.", patch({ disabled: true }))}>${t("Disable")}</button>
      <button type="button" class="small" disabled=${busy} onClick=${label}>${t("Label …")}</button>
      <button type="button" class="small danger" disabled=${busy} onClick=${erase}>${t("Delete")}</button>
      <button type="button" class="small" onClick=${() => setChosen(new Set())}>${t("Choose none")}</button>
    </div>
    <${Failure} error=${error} />
    ${note && html`<p role="status">${note}</p>`}`;
}
