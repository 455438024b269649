// Streamers as Central sees them: the list with health, the way to connect one, its settings.

import { html, useState } from "../vendor/htm-preact.js";
import { exists, item, put, remove } from "../api.js";
import { link, tabOf, usePolled } from "../hooks.js";
import { Dialog, Failure, Field, StatusDot, Tabs, duration, kbit } from "../widgets.js";

const percent = (value) => (value == null ? "–" : `${value} %`);
const seconds = (value) => (value == null ? "–" : duration(value * 1000));

const health = (streamer) => {
  const check = streamer.healthcheck_status;
  if (check?.status === "ok") return { status: "ok", text: "healthy" };
  if (check?.status === "error") return { status: "error", text: "not healthy" };
  return streamer.stats ? { status: "ok", text: "online" } : { status: "waiting", text: "not connected" };
};

function Health({ streamer }) {
  const { status, text } = health(streamer);
  return html`<span class="state"><${StatusDot} status=${status} title=${text} />${text}</span>`;
}

export function Streamers() {
  const [adding, setAdding] = useState(false);
  const { data, error, reload } = usePolled("/streamers?limit=1000");
  return html`<header class="bar">
      <h1>Streamers</h1>
      <button type="button" aria-label="Add streamer" onClick=${() => setAdding(true)}>+</button>
    </header>
    <${Failure} error=${error} />
    ${data && html`<table class="list">
      <thead><tr><th>Streamer</th><th>Health</th><th class="number">Streams</th><th class="number wide">Viewers</th>
        <th class="number">Out</th><th class="number wide">CPU</th><th class="number wide">Memory</th><th class="number wide">Up</th></tr></thead>
      <tbody>${data.streamers.map((streamer) => html`<${Row} key=${streamer.hostname} streamer=${streamer} />`)}</tbody>
    </table>
    ${!data.streamers.length && html`<p class="empty">No streamer yet. Connect the first one with +.</p>`}`}
    ${adding && html`<${AddStreamer} onClose=${() => { setAdding(false); reload(); }} />`}`;
}

function Row({ streamer }) {
  const stats = streamer.stats || {};
  return html`<tr>
    <td class="name"><a href=${link("streamers", streamer.hostname)}>${streamer.hostname}</a></td>
    <td><${Health} streamer=${streamer} /></td>
    <td class="number">${streamer.stream_count}</td>
    <td class="number wide">${stats.total_clients ?? "–"}</td>
    <td class="number">${kbit(stats.output_kbit)}</td>
    <td class="number wide">${percent(stats.cpu_usage)}</td>
    <td class="number wide">${percent(stats.memory_usage)}</td>
    <td class="number wide">${seconds(stats.uptime)}</td>
  </tr>`;
}

function AddStreamer({ onClose }) {
  const [error, setError] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    const hostname = new FormData(event.target).get("hostname").trim();
    try {
      // PUT merges: a hostname that is known already would only seem to be added.
      if (await exists("streamers", "hostname", hostname)) throw new Error(`${hostname} is connected already.`);
      await put(item("streamers", hostname), { hostname });
      location.hash = `${link("streamers", hostname)}?tab=settings`;
      onClose();
    } catch (failure) {
      setError(failure);
    }
  };
  return html`<${Dialog} title="Add streamer" onClose=${onClose}>
    <form onSubmit=${submit}>
      <${Field} label="New streamer hostname"><input name="hostname" required autocomplete="off" autofocus /><//>
      <${Failure} error=${error} />
      <div class="bar end">
        <button type="button" class="plain" onClick=${onClose}>Cancel</button>
        <button>Save</button>
      </div>
    </form>
  <//>`;
}

const TABS = { overview: "Overview", settings: "Settings" };

export function StreamerPage({ hostname, route }) {
  const { data: streamer, error, reload } = usePolled(item("streamers", hostname));
  if (!streamer) return html`<h1>${hostname}</h1><${Failure} error=${error} />`;
  const tab = tabOf(route, TABS);
  return html`<header class="bar"><h1>${hostname}</h1><${Health} streamer=${streamer} /></header>
    <${Failure} error=${error} />
    <${Tabs} tabs=${TABS} current=${tab} base=${link("streamers", hostname)} />
    <section>
      ${tab === "overview"
        ? html`<${Overview} streamer=${streamer} />`
        : html`<${Settings} streamer=${streamer} onDone=${reload} />`}
    </section>`;
}

const CHECKS = {
  reachable: "API answers",
  running: "Server is running",
  config_ok: "Configuration is sound",
  config_external_ok: "Takes its streams from Central",
  valid_cluster_key: "Cluster key is right",
  time_synchronized: "Clocks agree",
};

function Overview({ streamer }) {
  const stats = streamer.stats || {};
  return html`<div class="overview">
    <div>
      <h2>Health</h2>
      <${Checks} status=${streamer.healthcheck_status} />
      ${Object.entries(stats.text_alerts || {}).map(([key, text]) => html`<p key=${key} class="banner">${text}</p>`)}
    </div>
    <dl>
      <dt>Address</dt><dd class="url">${streamer.public_payload_url || streamer.api_url || `http://${streamer.hostname}`}</dd>
      <dt>Version</dt><dd>${stats.server_version || "–"}</dd>
      <dt>Up</dt><dd>${seconds(stats.uptime)}</dd>
      <dt>Streams</dt><dd>${streamer.stream_count} placed, ${stats.online_streams ?? 0} running</dd>
      <dt>Viewers</dt><dd>${stats.total_clients ?? "–"}</dd>
      <dt>In</dt><dd>${kbit(stats.input_kbit)}</dd>
      <dt>Out</dt><dd>${kbit(stats.output_kbit)}</dd>
      <dt>CPU</dt><dd>${percent(stats.cpu_usage)}</dd>
      <dt>Memory</dt><dd>${percent(stats.memory_usage)}</dd>
    </dl>
  </div>`;
}

function Checks({ status }) {
  if (!status) return html`<p class="empty">Not checked yet.</p>`;
  const problems = Object.fromEntries((status.checks.errors_details || []).map(({ rule, error }) => [rule, error]));
  return html`<ul class="checks">
    ${Object.entries(CHECKS)
      .filter(([rule]) => rule in status.checks)
      .map(([rule, title]) => html`<${Check} key=${rule} title=${title} passed=${status.checks[rule]} problem=${problems[rule]} />`)}
  </ul>`;
}

function Check({ title, passed, problem }) {
  const word = passed ? "passed" : "failed";
  return html`<li>
    <${StatusDot} status=${passed ? "ok" : "error"} title=${word} />${title}
    ${!passed && html`<small class="failure">${problem || word}</small>`}
  </li>`;
}

const FIELDS = [
  ["api_url", "API URL", "http://STREAMER:PORT, as Central reaches it; empty: the hostname"],
  ["public_payload_url", "Public payload URL", "As viewers reach it; empty: the API URL"],
  ["private_payload_url", "Private payload URL", "As other streamers reach it"],
  ["cluster_key", "Cluster key", "The same as in the streamer's configuration"],
  ["channel_limit", "Channel limit", "Streams it takes at most"],
];

const TYPES = { channel_limit: "number", cluster_key: "password" };

function Settings({ streamer, onDone }) {
  const [error, setError] = useState(null);
  const [saved, setSaved] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const changed = {};
    for (const [name] of FIELDS) {
      const text = form.get(name).trim();
      // Central never sends the key back: an empty field leaves it as it is.
      if (name === "cluster_key" && !text) continue;
      changed[name] = text === "" ? null : name === "channel_limit" ? Number(text) : text;
    }
    try {
      await put(item("streamers", streamer.hostname), changed);
      setError(null);
      setSaved(true);
      onDone();
    } catch (failure) {
      setSaved(false);
      setError(failure);
    }
  };
  const erase = async () => {
    if (!confirm(`Disconnect ${streamer.hostname}? Its streams move to others.`)) return;
    try {
      await remove(item("streamers", streamer.hostname));
      location.hash = link("streamers");
    } catch (failure) {
      setError(failure);
    }
  };
  const value = (name) => (name === "cluster_key" ? "" : streamer[name] ?? "");
  return html`<form onSubmit=${submit} onInput=${() => setSaved(false)}>
    ${FIELDS.map(([name, label, hint]) => html`<${Field} key=${name} label=${label} hint=${hint}>
      <input name=${name} defaultValue=${value(name)} autocomplete=${name === "cluster_key" ? "new-password" : "off"}
        type=${TYPES[name] || "text"} min=${name === "channel_limit" ? 0 : undefined} />
    <//>`)}
    <${Failure} error=${error} />
    ${saved && html`<p role="status">Saved.</p>`}
    <div class="bar">
      <button>Save</button>
      <button type="button" class="plain danger" onClick=${erase}>Disconnect</button>
    </div>
  </form>`;
}
