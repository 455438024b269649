// Media: the list of streams with their live state, and the way to add one.

import { html, useState } from "../vendor/htm-preact.js";
import { item, put } from "../api.js";
import { link, usePolled } from "../hooks.js";
import { Dialog, Failure, Field, StreamState, duration, kbit } from "../widgets.js";

const PAGE_SIZE = 50;

export function Media({ ui }) {
  const [search, setSearch] = useState("");
  const [cursor, setCursor] = useState("");
  const [adding, setAdding] = useState(false);
  const query = new URLSearchParams({ limit: PAGE_SIZE, cursor });
  if (search) query.set("q", search);
  const { data, error, reload } = usePolled(`/streams?${query}`);
  const find = (event) => {
    setCursor("");
    setSearch(event.target.value);
  };
  return html`<header class="bar">
      <h1>Media</h1>
      <input type="search" placeholder="Find a stream" aria-label="Find a stream" value=${search} onInput=${find} />
      <button type="button" onClick=${() => setAdding(true)}>Add stream</button>
    </header>
    <${Failure} error=${error} />
    ${data && html`<${StreamTable} streams=${data.streams} central=${ui.product === "central"} searching=${search} />`}
    ${data && html`<${Pages} data=${data} onGo=${setCursor} />`}
    ${adding && html`<${AddStream} onClose=${() => { setAdding(false); reload(); }} />`}`;
}

function StreamTable({ streams, central, searching }) {
  if (!streams.length) {
    return html`<p class="empty">${searching ? "No stream matches." : "No streams yet. Add the first one."}</p>`;
  }
  return html`<table class="list">
    <thead>
      <tr><th>Stream</th><th>State</th><th class="wide">Source</th><th class="wide">${central ? "Streamer" : "From"}</th>
      <th class="number">Viewers</th><th class="number">Bit rate</th><th class="number wide">Up</th></tr>
    </thead>
    <tbody>
      ${streams.map((stream) => html`<${StreamRow} key=${stream.name} stream=${stream} central=${central} />`)}
    </tbody>
  </table>`;
}

function StreamRow({ stream, central }) {
  const stats = stream.stats || {};
  const origin = central
    ? stream.layout?.ingest || "–"
    : { external: "Central", config: "file", user: "template", remote: "remote" }[stream.named_by] || "–";
  return html`<tr>
    <td><a href=${link("streams", stream.name)}>${stream.name}</a>${stream.title && html`<small>${stream.title}</small>`}</td>
    <td><${StreamState} stream=${stream} /></td>
    <td class="wide url">${(stream.inputs || []).map((input) => input.url).join(", ") || "–"}</td>
    <td class="wide">${origin}</td>
    <td class="number">${stats.online_clients ?? stats.client_count ?? 0}</td>
    <td class="number">${kbit(stats.bitrate)}</td>
    <td class="number wide">${stats.opened_at ? duration(Date.now() - stats.opened_at) : "–"}</td>
  </tr>`;
}

function Pages({ data, onGo }) {
  if (!data.next && !data.prev) return null;
  return html`<div class="bar end">
    <span>${data.estimated_count} streams</span>
    <button type="button" disabled=${!data.prev} onClick=${() => onGo(data.prev)}>Previous</button>
    <button type="button" disabled=${!data.next} onClick=${() => onGo(data.next)}>Next</button>
  </div>`;
}

function AddStream({ onClose }) {
  const [error, setError] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const name = form.get("name").trim();
    try {
      await put(item("streams", name), { name, inputs: [{ url: form.get("url").trim() }] });
      onClose();
    } catch (failure) {
      setError(failure);
    }
  };
  return html`<${Dialog} title="Add stream" onClose=${onClose}>
    <form onSubmit=${submit}>
      <${Field} label="Stream name" hint="Letters, digits, . - _ and /">
        <input name="name" required autocomplete="off" autofocus pattern="[A-Za-z0-9._\\-]+(/[A-Za-z0-9._\\-]+)*" />
      <//>
      <${Field} label="Source URL" hint="For one: rtsp://, rtmp://, hls://, udp://, publish:// or fake://fake">
        <input name="url" required autocomplete="off" placeholder="fake://fake" />
      <//>
      <${Failure} error=${error} />
      <div class="bar end">
        <button type="button" class="plain" onClick=${onClose}>Cancel</button>
        <button>Create</button>
      </div>
    </form>
  <//>`;
}
