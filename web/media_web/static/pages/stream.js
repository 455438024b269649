// One stream: what it does now, its inputs, how to watch it, and all its settings.

import { html, useState } from "../vendor/htm-preact.js";
import { item, post, put, remove } from "../api.js";
import { link, usePolled } from "../hooks.js";
import { CopyButton, Failure, Field, StreamState, Tabs, bytes, duration, kbit } from "../widgets.js";
import { BitrateChart } from "../chart.js";
import { SettingsEditor } from "../settings.js";
import "../player.js";

const TABS = { overview: "Overview", input: "Input", output: "Output", settings: "Settings" };

export function StreamPage({ name, route, ui }) {
  const { data: stream, error, reload } = usePolled(item("streams", name));
  const tab = TABS[route.query.get("tab")] ? route.query.get("tab") : "overview";
  const select = (title) => {
    const key = Object.keys(TABS).find((candidate) => TABS[candidate] === title);
    location.hash = `${link("streams", name)}?tab=${key}`;
  };
  if (!stream) return html`<h1>${name}</h1><${Failure} error=${error} />`;
  const Body = { overview: Overview, input: Inputs, output: Output, settings: Settings }[tab];
  return html`<header class="bar">
      <h1>${stream.title || stream.name}</h1>
      <${StreamState} stream=${stream} />
      <${Actions} stream=${stream} onDone=${reload} />
    </header>
    <${Failure} error=${error} />
    <${Origin} stream=${stream} />
    <${Tabs} tabs=${Object.values(TABS)} current=${TABS[tab]} onSelect=${select} />
    <section><${Body} stream=${stream} ui=${ui} onDone=${reload} /></section>`;
}

function Origin({ stream }) {
  if (stream.named_by === "external") {
    return html`<p class="banner">From Central: this server runs the stream but keeps it in no file. Change it in Central.</p>`;
  }
  const owner = stream.managed_by && stream.managed_by !== "central" ? stream.managed_by : null;
  return owner && html`<p class="banner">Managed by ${owner}: change it there.</p>`;
}

function Actions({ stream, onDone }) {
  const [error, setError] = useState(null);
  const act = (action) => async () => {
    try {
      await action();
      setError(null);
      onDone();
    } catch (failure) {
      setError(failure);
    }
  };
  const erase = async () => {
    if (!confirm(`Delete the stream ${stream.name}?`)) return;
    await remove(item("streams", stream.name));
    location.hash = link("media");
  };
  return html`<span class="actions">
      <button type="button" class="plain" onClick=${act(() => post(`${item("streams", stream.name)}/stop`))}>Restart</button>
      <button type="button" class="plain" onClick=${act(() => put(item("streams", stream.name), { disabled: !stream.disabled }))}>
        ${stream.disabled ? "Enable" : "Disable"}
      </button>
      <button type="button" class="plain danger" onClick=${act(erase)}>Delete</button>
    </span>
    <${Failure} error=${error} />`;
}

/** Play URL by title, as the server lists them. */
const urlOf = (stream, title) => stream.stats?.play_urls?.find((entry) => entry.title === title)?.url;

function Overview({ stream }) {
  const stats = stream.stats || {};
  const hls = urlOf(stream, "HLS");
  return html`<div class="overview">
    <div>
      ${hls && !stream.disabled
        ? html`<stream-player src=${urlOf(stream, "LL-HLS") || hls} fallback=${hls}></stream-player>`
        : html`<p class="empty">${stream.disabled ? "The stream is disabled." : "No streamer runs this stream yet."}</p>`}
      <${BitrateChart} value=${stats.bitrate} />
    </div>
    <dl>
      <dt>Streamer</dt><dd>${stream.layout?.ingest || stats.running_on?.join(", ") || "–"}</dd>
      <dt>Source</dt><dd class="url">${stats.url || stream.inputs?.[0]?.url || "–"}</dd>
      ${stats.source_error && html`<dt>Problem</dt><dd class="failure">${stats.source_error}</dd>`}
      <dt>Up</dt><dd>${stats.opened_at ? duration(Date.now() - stats.opened_at) : "–"}</dd>
      <dt>Bit rate</dt><dd>${kbit(stats.bitrate)}</dd>
      <dt>Received</dt><dd>${bytes(stats.bytes_in)}</dd>
      <dt>Sent</dt><dd>${bytes(stats.bytes_out)}</dd>
      <dt>Viewers</dt><dd>${stats.online_clients ?? stats.client_count ?? 0}</dd>
      ${(stats.media_info?.tracks || []).map((track) => html`<dt>Track ${track.track_id}</dt><dd>${describe(track)}</dd>`)}
    </dl>
  </div>`;
}

function describe(track) {
  const parts = [track.codec?.toUpperCase()];
  if (track.width) parts.push(`${track.width}×${track.height}`);
  if (track.fps) parts.push(`${Math.round(track.fps * 100) / 100} fps`);
  if (track.sample_rate) parts.push(`${track.sample_rate / 1000} kHz`, `${track.channels} ch`);
  if (track.bitrate) parts.push(kbit(track.bitrate));
  return parts.filter(Boolean).join(", ");
}

function Inputs({ stream, onDone }) {
  const [error, setError] = useState(null);
  const inputs = stream.inputs || [];
  const save = async (changed) => {
    try {
      await put(item("streams", stream.name), { inputs: changed });
      setError(null);
      onDone();
    } catch (failure) {
      setError(failure);
    }
  };
  const plain = ({ stats, ...input }) => input;
  const add = (event) => {
    event.preventDefault();
    const url = new FormData(event.target).get("url").trim();
    event.target.reset();
    return save([...inputs.map(plain), { url }]);
  };
  return html`<table class="list">
      <thead><tr><th>#</th><th>URL</th><th>State</th><th class="number">Received</th><th></th></tr></thead>
      <tbody>
        ${inputs.map(
          (input, index) => html`<tr key=${index}>
            <td>${index + 1}</td>
            <td class="url">${input.url}</td>
            <td>${input.stats?.active ? "active" : input.stats?.error || "standby"}</td>
            <td class="number">${bytes(input.stats?.bytes)}</td>
            <td class="number"><button type="button" class="small danger"
              onClick=${() => save(inputs.filter((_, other) => other !== index).map(plain))}>Remove</button></td>
          </tr>`,
        )}
      </tbody>
    </table>
    <form class="bar" onSubmit=${add}>
      <input name="url" required placeholder="URL of a further input, used when those above fail" aria-label="URL of a further input" />
      <button>Add input</button>
    </form>
    <${Failure} error=${error} />`;
}

function Output({ stream }) {
  const urls = stream.stats?.play_urls || [];
  if (!urls.length) return html`<p class="empty">Play URLs appear once a streamer runs the stream.</p>`;
  return html`<table class="list urls">
    <thead><tr><th>Protocol</th><th>URL</th><th></th></tr></thead>
    <tbody>
      ${urls.map(
        ({ title, url }) => html`<tr key=${title}>
          <td>${title}</td>
          <td class="url"><a href=${url} target="_blank" rel="noopener">${url}</a></td>
          <td class="number"><${CopyButton} text=${url} label=${title} /></td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}

function Settings({ stream, ui, onDone }) {
  return html`${ui.product === "central" && html`<${Preferred} stream=${stream} onDone=${onDone} />`}
    <${SettingsEditor} path=${item("streams", stream.name)} schema="StreamConfig"
      value=${stream.config_on_disk || stream} onSaved=${onDone} />`;
}

function Preferred({ stream, onDone }) {
  const { data } = usePolled("/streamers?limit=1000&select=hostname", 10000);
  const [error, setError] = useState(null);
  const choose = async (event) => {
    try {
      await put(item("streams", stream.name), { preferred_streamer: event.target.value || null });
      setError(null);
      onDone();
    } catch (failure) {
      setError(failure);
    }
  };
  return html`<${Field} label="Preferred streamer" hint="Used while it is healthy and has room">
      <select value=${stream.preferred_streamer || ""} onChange=${choose}>
        <option value="">Any</option>
        ${(data?.streamers || []).map(({ hostname }) => html`<option value=${hostname}>${hostname}</option>`)}
      </select>
    <//>
    <${Failure} error=${error} />`;
}
