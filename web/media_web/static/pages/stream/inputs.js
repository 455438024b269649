// The inputs of a stream: what each does, their order and options, and where to publish to.

import { html, useState } from "../../vendor/htm-preact.js";
import { item, post, put } from "../../api.js";
import { Entry } from "../../forms/fields.js";
import { useDraft } from "../../forms/draft.js";
import { Refused, Saved, useSchemas } from "../../forms/form.js";
import { t } from "../../i18n.js";
import { CopyButton, Failure, bytes } from "../../widgets.js";

/** What is saved: the statistics are the server's. */
const plain = ({ stats, ...input }) => input;
const NO_ERRORS = new Map();

export function Inputs({ stream, ui, fixed, onDone }) {
  const [error, setError] = useState(null);
  const [open, setOpen] = useState(null);
  const inputs = stream.inputs || [];
  const saved = (!fixed && stream.config_on_disk?.inputs) || inputs.map(plain);
  const path = item("streams", stream.name);
  const attempt = async (action) => {
    try {
      await action();
      setError(null);
      onDone();
      return true;
    } catch (failure) {
      setError(failure);
      return false;
    }
  };
  const save = (changed) => {
    setOpen(null);
    return attempt(() => put(path, { inputs: changed }));
  };
  const move = (at, to) => save(saved.map((input, index) => (index === at ? saved[to] : index === to ? saved[at] : input)));
  const select = (index) => attempt(() => post(`${path}/inputs/${index}/select`));
  const add = async (event) => {
    event.preventDefault();
    const form = event.target;
    const url = new FormData(form).get("url").trim();
    if (await save([...saved, { url }])) form.reset();
  };
  return html`<table class="list stacked">
      <thead><tr><th>#</th><th>${t("URL")}</th><th>${t("State")}</th><th class="number wide">${t("Received")}</th>
        <th><span class="unseen">${t("Actions")}</span></th></tr></thead>
      <tbody>
        ${inputs.map((input, index) => html`<tr key=${index}>
          <td>${index + 1}</td>
          <td class="url">${input.url}${input.comment && html`<small>${input.comment}</small>`}</td>
          <td><${InputState} stats=${input.stats} /></td>
          <td class="number wide">${bytes(input.stats?.bytes)}</td>
          <td><span class="actions">
            ${inputs.length > 1 && !input.stats?.active && !ui.readsOnly &&
            html`<button type="button" class="small" aria-label=${t("Use input {number}", { number: index + 1 })} onClick=${() => select(index)}>${t("Use")}</button>`}
            ${!fixed && html`
              <button type="button" class="small" disabled=${index === 0} aria-label=${t("Move input {number} up", { number: index + 1 })} onClick=${() => move(index, index - 1)}>↑</button>
              <button type="button" class="small" disabled=${index === inputs.length - 1} aria-label=${t("Move input {number} down", { number: index + 1 })} onClick=${() => move(index, index + 1)}>↓</button>
              <button type="button" class="small" aria-expanded=${open === index} aria-label=${t("Edit input {number}", { number: index + 1 })} onClick=${() => setOpen(open === index ? null : index)}>${t("Edit")}</button>
              <button type="button" class="small danger" aria-label=${t("Remove input {number}", { number: index + 1 })}
                onClick=${() => save(saved.filter((_, other) => other !== index))}>${t("Remove")}</button>`}
          </span></td>
        </tr>`)}
      </tbody>
    </table>
    ${!inputs.length && html`<p class="empty">${t("No input.")}</p>`}
    ${open !== null && saved[open] && html`<${Editor} key=${open} at=${open} path=${path} inputs=${saved} onDone=${onDone} onClose=${() => setOpen(null)} />`}
    ${!fixed && html`<form class="bar after" onSubmit=${add}>
      <input name="url" required autocomplete="off" aria-label=${t("URL of a further input")}
        placeholder=${t("Further input, used when those above fail")} />
      <button>${t("Add input")}</button>
    </form>`}
    <${Failure} error=${error} />
    <${PublishTo} stream=${stream} />`;
}

function InputState({ stats }) {
  const text = stats?.active ? t("active") : stats?.error || t("standby");
  const lost = stats?.errors_lost_packets || 0;
  return html`${text}${stats?.ip && html`<small>${t("from {ip}", stats)} ${stats.user_agent || ""}</small>`}
    ${lost > 0 && html`<small class="failure">${t("{count} packets lost", { count: lost })}</small>`}`;
}

/** URL and options of one input. */
function Editor({ at, path, inputs, onDone, onClose }) {
  const { all, error: broken } = useSchemas();
  const draft = useDraft(`${path} input ${at}`, inputs[at]);
  const [error, setError] = useState(null);
  const [note, setNote] = useState(null);
  if (!all) return html`<${Failure} error=${broken} />`;
  const begin = `/inputs/${at}`;
  const save = async (event) => {
    event.preventDefault();
    try {
      const answer = await put(path, { inputs: inputs.map((input, index) => (index === at ? draft.value : input)) });
      draft.discard();
      setError(null);
      setNote((answer?.warnings || []).filter((text) => text.includes("input")));
      onDone();
    } catch (failure) {
      setNote(null);
      setError(failure);
    }
  };
  const close = () => {
    draft.discard();
    onClose();
  };
  return html`<form class="settings" onSubmit=${save}>
    <fieldset class="entry"><legend>${t("Input {number}", { number: at + 1 })}</legend>
      <${Entry} field=${{ model: "InputConfig" }} value=${draft.value} onChange=${draft.change} path=${begin} context=${{ all, errors: error?.fields || NO_ERRORS }} />
      <${Refused} error=${error} />
      ${note && html`<${Saved} warnings=${note} />`}
      <div class="bar"><button disabled=${!draft.changed}>${t("Save input")}</button><button type="button" class="plain" onClick=${close}>${t("Close")}</button></div>
    </fieldset>
  </form>`;
}

/** Where encoders publish to; those with two fields (OBS) want server and key apart. */
function PublishTo({ stream }) {
  const urls = stream.stats?.publish_urls || [];
  const rows = urls.flatMap(({ title, url, server, key }) => [
    [title, url],
    ...(server ? [[t("{title}: server", { title }), server], [t("{title}: stream key", { title }), key]] : []),
  ]);
  return rows.length > 0 && html`<table class="list urls after">
    <thead><tr><th>${t("Publish by")}</th><th>${t("URL")}</th><th><span class="unseen">${t("Actions")}</span></th></tr></thead>
    <tbody>${rows.map(([title, text]) => html`<tr key=${title}>
      <td>${title}</td><td class="url">${text}</td>
      <td class="number"><${CopyButton} text=${text} label=${t("publish URL, {title}", { title })} /></td>
    </tr>`)}</tbody>
  </table>`;
}
