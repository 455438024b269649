// One stream: what it does now, its inputs, how to watch it, and all its settings.

import { html, useState } from "../vendor/htm-preact.js";
import { item, post, put, remove } from "../api.js";
import { link, tabOf, usePolled } from "../hooks.js";
import { CopyButton, Failure, Field, StreamState, Tabs, bytes, kbit, uptime } from "../widgets.js";
import { BitrateChart } from "../chart.js";
import { SettingsEditor } from "../settings.js";
import { Inputs } from "./inputs.js";
import { Log } from "./log.js";
import "../player.js";

const TABS = { overview: "Overview", input: "Input", output: "Output", settings: "Settings" };
/** Only Central keeps a history. */
const CENTRAL_TABS = { ...TABS, log: "Log" };
const BODIES = { overview: Overview, input: Inputs, output: Output, settings: Settings, log: Log };

export function StreamPage({ name, route, ui }) {
  const { data: stream, error, reload } = usePolled(item("streams", name));
  if (!stream) return html`<h1>${name}</h1><${Failure} error=${error} />`;
  const tabs = ui.product === "central" ? CENTRAL_TABS : TABS;
  const tab = tabOf(route, tabs);
  // Streams of a configuration backend are changed there; this server would refuse.
  const fixed = stream.named_by === "external";
  return html`<header class="bar">
      <h1>${stream.title || stream.name}</h1>
      <${StreamState} stream=${stream} />
      <${Actions} stream=${stream} fixed=${fixed} onDone=${reload} />
    </header>
    <${Failure} error=${error} />
    <${Origin} stream=${stream} fixed=${fixed} />
    <${Warnings} stream=${stream} />
    <${Tabs} tabs=${tabs} current=${tab} base=${link("streams", name)} />
    <section><${BODIES[tab]} stream=${stream} ui=${ui} fixed=${fixed} onDone=${reload} /></section>`;
}

function Origin({ stream, fixed }) {
  if (fixed) {
    return html`<p class="banner">From Central: this server runs the stream but keeps it in no file. Change it in Central.</p>`;
  }
  const owner = stream.managed_by && stream.managed_by !== "central" ? stream.managed_by : null;
  return owner && html`<p class="banner">Managed by ${owner}: change it there.</p>`;
}

/** What of its settings the server does not do. */
function Warnings({ stream }) {
  return (stream.warnings || []).map((text) => html`<p class="banner" key=${text}>${text}</p>`);
}

function Actions({ stream, fixed, onDone }) {
  const [error, setError] = useState(null);
  const path = item("streams", stream.name);
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
    await remove(path);
    location.hash = link("media");
  };
  const turn = () => put(path, { disabled: !stream.disabled });
  return html`<span class="actions">
      ${!stream.disabled && html`<button type="button" class="plain" onClick=${act(() => post(`${path}/stop`))}>Restart</button>`}
      ${!fixed && html`<button type="button" class="plain" onClick=${act(turn)}>${stream.disabled ? "Enable" : "Disable"}</button>
        <button type="button" class="plain danger" onClick=${act(erase)}>Delete</button>`}
    </span>
    <${Failure} error=${error} />`;
}

function Overview({ stream }) {
  const stats = stream.stats || {};
  return html`<div class="overview">
    <div>
      <${Screen} stream=${stream} />
      <h2>Bit rate, Mbit/s</h2>
      <${BitrateChart} value=${stats.alive ? stats.bitrate : null} />
    </div>
    <dl>
      <dt>Name</dt><dd>${stream.name}</dd>
      <dt>Streamer</dt><dd>${stream.layout?.ingest || stats.running_on?.join(", ") || "–"}</dd>
      <dt>Source</dt><dd class="url">${stats.url || stream.inputs?.[0]?.url || "–"}</dd>
      ${stats.source_error && html`<dt>Problem</dt><dd class="failure">${stats.source_error}</dd>`}
      <dt>Up</dt><dd>${uptime(stats)}</dd>
      <dt>Bit rate</dt><dd>${stats.alive ? kbit(stats.bitrate) : "–"}</dd>
      <dt>Received</dt><dd>${bytes(stats.bytes_in)}</dd>
      <dt>Sent</dt><dd>${bytes(stats.bytes_out)}</dd>
      <dt>Viewers</dt><dd>${stats.online_clients ?? stats.client_count ?? 0}</dd>
      ${(stats.media_info?.tracks || []).map((track) => html`<dt>Track ${track.track_id}</dt><dd>${describe(track)}</dd>`)}
    </dl>
  </div>`;
}

/** Play URL by the short name of its form, as the server lists them. */
const urlOf = (stream, form) => stream.stats?.play_urls?.find((entry) => entry.form === form)?.url;

/** The player, while there is something to play: a stream on demand starts by being played. */
function Screen({ stream }) {
  const hls = urlOf(stream, "hls");
  const low = urlOf(stream, "llhls");
  const blank = (text) => html`<div class="screen"><p>${text}</p></div>`;
  if (stream.disabled) return blank("The stream is disabled.");
  if (!stream.stats?.play_urls) return blank("No streamer runs this stream yet.");
  if (!hls && !low) return blank("HLS, which the player needs, is switched off for this stream.");
  if (stream.stats.alive || stream.static === false) {
    return html`<stream-player src=${low || hls} fallback=${hls || low}></stream-player>`;
  }
  return blank(stream.stats.source_error || waitsFor(stream));
}

function waitsFor(stream) {
  const isPublished = (stream.inputs || []).some((input) => input.url?.startsWith("publish:"));
  if (!isPublished) return "Waiting for the source.";
  const urls = stream.stats.publish_urls || [];
  const url = (urls.find((entry) => entry.server) || urls[0])?.url;
  return `Waiting for a publisher.${url ? ` Publish with OBS or ffmpeg to ${url}` : ""}`;
}

function describe(track) {
  const parts = [track.codec?.toUpperCase()];
  if (track.width) parts.push(`${track.width}×${track.height}`);
  if (track.fps) parts.push(`${Math.round(track.fps * 100) / 100} fps`);
  if (track.sample_rate) parts.push(`${track.sample_rate / 1000} kHz`, `${track.channels} ch`);
  if (track.bitrate) parts.push(kbit(track.bitrate));
  return parts.filter(Boolean).join(", ");
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

function Settings({ stream, ui, fixed, onDone }) {
  return html`${ui.product === "central" && html`<${Preferred} stream=${stream} onDone=${onDone} />`}
    <${SettingsEditor} path=${item("streams", stream.name)} schema="StreamConfig" fixed=${fixed}
      value=${(!fixed && stream.config_on_disk) || stream} onSaved=${onDone} />`;
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
  const preferred = stream.preferred_streamer || "";
  const names = new Set([...(data?.streamers || []).map((streamer) => streamer.hostname), preferred]);
  names.delete("");
  return html`<${Field} label="Preferred streamer" hint="Used while it is healthy and has room">
      <select onChange=${choose}>
        <option value="" selected=${!preferred}>Any</option>
        ${[...names].map((name) => html`<option key=${name} value=${name} selected=${name === preferred}>${name}</option>`)}
      </select>
    <//>
    <${Failure} error=${error} />`;
}
