// Media: the list of streams with their live state, and the way to add one.

import { html, useState } from "../vendor/htm-preact.js";
import { exists, item, put } from "../api.js";
import { link, usePolled } from "../hooks.js";
import { Dialog, Failure, Field, StreamState, kbit, uptime } from "../widgets.js";

const PAGE_SIZE = 50;
const FIRST = { cursor: "", number: 1 };

export function Media({ ui }) {
  const [search, setSearch] = useState("");
  const [page, setPage] = useState(FIRST);
  const [adding, setAdding] = useState(false);
  const [created, setCreated] = useState(null);
  const query = new URLSearchParams({ limit: PAGE_SIZE, cursor: page.cursor });
  if (search) query.set("q", search);
  const { data, error, reload } = usePolled(`/streams?${query}`);
  const find = (event) => {
    setPage(FIRST);
    setSearch(event.target.value);
  };
  const close = (name) => {
    setAdding(false);
    if (name) setCreated(name);
    reload();
  };
  return html`<header class="bar">
      <h1>Media</h1>
      <input type="search" placeholder="Find a stream" aria-label="Find a stream" value=${search} onInput=${find} />
      ${!ui.config_external && html`<button type="button" onClick=${() => setAdding(true)}>Add stream</button>`}
    </header>
    <${Failure} error=${error} />
    ${created && html`<p class="banner" role="status">Created <a href=${link("streams", created)}>${created}</a>.</p>`}
    ${data && html`<${StreamTable} streams=${data.streams} central=${ui.product === "central"} searching=${search} />`}
    ${data && html`<${Pages} data=${data} page=${page} onGo=${setPage} />`}
    ${adding && html`<${AddStream} onClose=${close} />`}`;
}

function StreamTable({ streams, central, searching }) {
  if (!streams.length) {
    return html`<p class="empty">${searching ? "No stream matches." : "No streams yet. Add the first one."}</p>`;
  }
  return html`<table class="list">
    <thead>
      <tr><th>Stream</th><th>State</th><th class="wide">Source</th><th class="wide">${central ? "Streamer" : "From"}</th>
      <th class="number wide">Viewers</th><th class="number">Bit rate</th><th class="number wide">Up</th></tr>
    </thead>
    <tbody>
      ${streams.map((stream) => html`<${StreamRow} key=${stream.name} stream=${stream} central=${central} />`)}
    </tbody>
  </table>`;
}

/** Where a streamer has a stream from, in words. */
const ORIGINS = { external: "Central", config: "file", user: "template", remote: "remote" };

function StreamRow({ stream, central }) {
  const stats = stream.stats || {};
  const origin = central ? stream.layout?.ingest : ORIGINS[stream.named_by];
  return html`<tr>
    <td class="name"><a href=${link("streams", stream.name)}>${stream.name}</a>${stream.title && html`<small>${stream.title}</small>`}</td>
    <td><${StreamState} stream=${stream} /></td>
    <td class="wide url">${(stream.inputs || []).map((input) => input.url).join(", ") || "–"}</td>
    <td class="wide">${origin || "–"}</td>
    <td class="number wide">${stats.online_clients ?? stats.client_count ?? 0}</td>
    <td class="number">${stats.alive ? kbit(stats.bitrate) : "–"}</td>
    <td class="number wide">${uptime(stats)}</td>
  </tr>`;
}

function Pages({ data, page, onGo }) {
  if (!data.next && !data.prev) return null;
  const last = Math.ceil(data.estimated_count / PAGE_SIZE);
  const go = (cursor, step) => () => onGo({ cursor, number: page.number + step });
  return html`<nav class="bar end" aria-label="Pages">
    <span>Page ${page.number} of ${last}, ${data.estimated_count} streams</span>
    <button type="button" class="plain" disabled=${!data.prev} onClick=${go(data.prev, -1)}>Previous</button>
    <button type="button" class="plain" disabled=${!data.next} onClick=${go(data.next, 1)}>Next</button>
  </nav>`;
}

/** The rule of the API; checked here because a path with `..` would never get there. */
const NAME = /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/;
const DOTS = /(^|\/)\.\.?(\/|$)/;
const LEGAL = "Letters, digits, . - _ and / between parts";

async function create(name, url) {
  if (!NAME.test(name) || DOTS.test(name)) throw new Error(`“${name}” is no name of a stream. ${LEGAL}.`);
  // PUT merges: without this, the new input would replace those of the stream that has the name.
  if (await exists("streams", "name", name)) throw new Error(`There is a stream ${name} already.`);
  await put(item("streams", name), { name, inputs: [{ url }] });
}

function AddStream({ onClose }) {
  const [error, setError] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const name = form.get("name").trim();
    try {
      await create(name, form.get("url").trim());
      onClose(name);
    } catch (failure) {
      setError(failure);
    }
  };
  return html`<${Dialog} title="Add stream" onClose=${() => onClose()}>
    <form onSubmit=${submit}>
      <${Field} label="Stream name" hint=${LEGAL}>
        <input name="name" required autocomplete="off" autofocus />
      <//>
      <${Field} label="Source URL" hint="For one: rtsp://, rtmp://, hls://, udp://, publish:// or fake://fake">
        <input name="url" required autocomplete="off" placeholder="fake://fake" />
      <//>
      <${Failure} error=${error} />
      <div class="bar end">
        <button type="button" class="plain" onClick=${() => onClose()}>Cancel</button>
        <button>Create</button>
      </div>
    </form>
  <//>`;
}
