// The inputs of a stream: what each does, their order and options, and where to publish to.

import { html, useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { item, post, put } from "../../api.js";
import { Entry } from "../../forms/fields.js";
import { useDraft } from "../../forms/draft.js";
import { Refused, Saved, useSchemas } from "../../forms/form.js";
import { t, told } from "../../i18n.js";
import { masked } from "../../redact.js";
import { CopyButton, Failure, bytes } from "../../widgets.js";
import { moved, placeOf, without } from "./order.js";

/** What is saved: the statistics are the server's. */
const plain = ({ stats, ...input }) => input;
const NO_ERRORS = new Map();

/** Each change is made of the list as it was last sent, not as it was last told: none undoes another. */
function useSaved({ stream, fixed, path }) {
  const told = (!fixed && stream.config_on_disk?.inputs) || (stream.inputs || []).map(plain);
  const list = useDraft(`${path} inputs`, { inputs: told });
  const latest = useRef();
  latest.current = list.value.inputs;
  const turn = useRef(Promise.resolve());
  const [pending, setPending] = useState(0);
  const save = (change) => {
    const send = async () => {
      const inputs = change(latest.current);
      const answer = await put(path, { inputs });
      latest.current = inputs;
      list.settle({ inputs });
      return answer;
    };
    setPending((count) => count + 1);
    const done = turn.current.then(send).finally(() => setPending((count) => count - 1));
    turn.current = done.catch(() => {});
    return done;
  };
  return { saved: list.value.inputs, isTold: list.value.inputs === told, isSaving: pending > 0, save };
}

export function Inputs({ stream, ui, fixed, onDone }) {
  const [error, setError] = useState(null);
  const [open, setOpen] = useState(null);
  const path = item("streams", stream.name);
  const { saved, isTold, isSaving, save } = useSaved({ stream, fixed, path });
  const draft = useDraft(`${path} input ${open}`, saved[open] || null);
  const isGone = open !== null && !saved[open];
  useEffect(() => {
    if (!isGone) return;
    if (draft.changed) setError(new Error(t("The input that was being edited is gone.")));
    draft.discard();
    setOpen(null);
  }, [isGone]);
  const told = stream.inputs || [];
  // What is saved and not told yet has the figures of the same address.
  const inputs = isTold ? told : saved.map((input) => ({ ...input, stats: told.find(({ url }) => url === input.url)?.stats }));
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
  const rearrange = (change) => {
    setOpen(null);
    return attempt(() => save(change));
  };
  const select = (index) => attempt(() => post(`${path}/inputs/${index}/select`));
  const add = async (event) => {
    event.preventDefault();
    const form = event.target;
    const url = new FormData(form).get("url").trim();
    if (await attempt(() => save((list) => [...list, { url }]))) form.reset();
  };
  const busy = draft.changed > 0;
  const why = busy ? t("Save or close the input that is being edited first.") : undefined;
  return html`<table class="list stacked">
      <thead><tr><th>#</th><th>${t("URL")}</th><th>${t("State")}</th><th class="number wide">${t("Received")}</th>
        <th><span class="unseen">${t("Actions")}</span></th></tr></thead>
      <tbody>
        ${inputs.map((input, index) => html`<tr key=${index}>
          <td>${index + 1}</td>
          <td class="url">${masked(input.url)}${input.comment && html`<small>${input.comment}</small>`}</td>
          <td><${InputState} stats=${input.stats} /></td>
          <td class="number wide">${bytes(input.stats?.bytes)}</td>
          <td><span class="actions">
            ${inputs.length > 1 && !input.stats?.active && !ui.readsOnly &&
            html`<button type="button" class="small" aria-label=${t("Use input {number}", { number: index + 1 })} onClick=${() => select(index)}>${t("Use")}</button>`}
            ${!fixed && html`
              <button type="button" class="small" disabled=${index === 0 || busy} title=${why} aria-label=${t("Move input {number} up", { number: index + 1 })} onClick=${() => rearrange((list) => moved(list, saved[index], index, -1))}>↑</button>
              <button type="button" class="small" disabled=${index === inputs.length - 1 || busy} title=${why} aria-label=${t("Move input {number} down", { number: index + 1 })} onClick=${() => rearrange((list) => moved(list, saved[index], index, 1))}>↓</button>
              <button type="button" class="small" disabled=${isSaving || (busy && open !== index)} title=${open === index ? undefined : why} aria-expanded=${open === index} aria-label=${t("Edit input {number}", { number: index + 1 })} onClick=${() => setOpen(open === index && !busy ? null : index)}>${t("Edit")}</button>
              <button type="button" class="small danger" disabled=${busy || isSaving} title=${why} aria-label=${t("Remove input {number}", { number: index + 1 })}
                onClick=${() => rearrange((list) => without(list, saved[index], index))}>${t("Remove")}</button>`}
          </span></td>
        </tr>`)}
      </tbody>
    </table>
    ${!inputs.length && html`<p class="empty">${t("No input.")}</p>`}
    ${open !== null && saved[open] && html`<${Editor} key=${open} at=${open} draft=${draft} isSaving=${isSaving} save=${save} onDone=${onDone} onClose=${() => setOpen(null)} />`}
    ${!fixed && html`<form class="bar after" onSubmit=${add}>
      <input name="url" required autocomplete="off" aria-label=${t("URL of a further input")}
        placeholder=${t("Further input, used when those above fail")} />
      <button disabled=${isSaving}>${t("Add input")}</button>
    </form>`}
    <${Failure} error=${error} />
    <${PublishTo} stream=${stream} />`;
}

function InputState({ stats }) {
  const text = stats?.active ? t("active") : told(stats?.error) || t("standby");
  const lost = stats?.errors_lost_packets || 0;
  return html`${text}${stats?.ip && html`<small>${t("from {ip}", stats)} ${stats.user_agent || ""}</small>`}
    ${lost > 0 && html`<small class="failure">${t("{count} packets lost", { count: lost })}</small>`}`;
}

/** URL and options of one input. */
function Editor({ at, draft, isSaving, save: saveList, onDone, onClose }) {
  const { all, error: broken } = useSchemas();
  const [error, setError] = useState(null);
  const [note, setNote] = useState(null);
  if (!all) return html`<${Failure} error=${broken} />`;
  const begin = `/inputs/${at}`;
  const close = () => {
    draft.discard();
    onClose();
  };
  const save = async (event) => {
    event.preventDefault();
    try {
      let place;
      const answer = await saveList((list) => {
        place = placeOf(list, draft.before, at);
        if (place < 0) throw new Error(t("Somebody else has changed or removed this input: close it, and look again."));
        return list.with(place, draft.value);
      });
      if (place === at) draft.settle();
      else close();
      setError(null);
      setNote((answer?.warnings || []).filter((text) => text.includes("input")));
      onDone();
    } catch (failure) {
      setNote(null);
      setError(failure);
    }
  };
  return html`<form class="settings" onSubmit=${save}>
    <fieldset class="entry"><legend>${t("Input {number}", { number: at + 1 })}</legend>
      <${Entry} field=${{ model: "InputConfig" }} value=${draft.value} onChange=${draft.change} path=${begin} context=${{ all, errors: error?.fields || NO_ERRORS }} />
      <${Refused} error=${error} />
      ${note && html`<${Saved} warnings=${note} />`}
      <div class="bar"><button disabled=${!draft.changed || isSaving}>${t("Save input")}</button><button type="button" class="plain" onClick=${close}>${t("Close")}</button></div>
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
