// The inputs of a stream: what each does, where to publish to, adding and removing them.

import { html, useState } from "../../vendor/htm-preact.js";
import { item, post, put } from "../../api.js";
import { CopyButton, Failure, bytes } from "../../widgets.js";

/** What is saved: the statistics are the server's. */
const plain = ({ stats, ...input }) => input;

export function Inputs({ stream, fixed, onDone }) {
  const [error, setError] = useState(null);
  const inputs = stream.inputs || [];
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
  const save = (changed) => attempt(() => put(path, { inputs: changed.map(plain) }));
  const select = (index) => attempt(() => post(`${path}/inputs/${index}/select`));
  const add = async (event) => {
    event.preventDefault();
    const form = event.target;
    const url = new FormData(form).get("url").trim();
    if (await save([...inputs, { url }])) form.reset();
  };
  return html`<table class="list">
      <thead><tr><th>#</th><th>URL</th><th>State</th><th class="number wide">Received</th><th></th></tr></thead>
      <tbody>
        ${inputs.map((input, index) => html`<tr key=${index}>
          <td>${index + 1}</td>
          <td class="url">${input.url}</td>
          <td>${input.stats?.active ? "active" : input.stats?.error || "standby"}</td>
          <td class="number wide">${bytes(input.stats?.bytes)}</td>
          <td class="number">
            ${inputs.length > 1 && !input.stats?.active &&
            html`<button type="button" class="small" aria-label="Use input ${index + 1}" onClick=${() => select(index)}>Use</button> `}
            ${!fixed && html`<button type="button" class="small danger" aria-label="Remove input ${index + 1}"
              onClick=${() => save(inputs.filter((_, other) => other !== index))}>Remove</button>`}
          </td>
        </tr>`)}
      </tbody>
    </table>
    ${!inputs.length && html`<p class="empty">No input.</p>`}
    <${PublishTo} stream=${stream} />
    ${!fixed && html`<form class="bar after" onSubmit=${add}>
      <input name="url" required autocomplete="off" aria-label="URL of a further input"
        placeholder="Further input, used when those above fail" />
      <button>Add input</button>
    </form>`}
    <${Failure} error=${error} />`;
}

/** Where encoders publish to; those with two fields (OBS) want server and key apart. */
function PublishTo({ stream }) {
  const urls = stream.stats?.publish_urls || [];
  const rows = urls.flatMap(({ title, url, server, key }) => [
    [title, url],
    ...(server ? [[`${title}: server`, server], [`${title}: stream key`, key]] : []),
  ]);
  return rows.length > 0 && html`<table class="list urls after">
    <thead><tr><th>Publish by</th><th>URL</th><th></th></tr></thead>
    <tbody>${rows.map(([title, text]) => html`<tr key=${title}>
      <td>${title}</td><td class="url">${text}</td>
      <td class="number"><${CopyButton} text=${text} label="publish URL, ${title}" /></td>
    </tr>`)}</tbody>
  </table>`;
}
