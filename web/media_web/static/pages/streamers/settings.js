// Where a streamer is, its key and its limits; the way to disconnect it.

import { html, useState } from "../../vendor/htm-preact.js";
import { item, put, remove } from "../../api.js";
import { link } from "../../hooks.js";
import { t } from "../../i18n.js";
import { Failure, Field } from "../../widgets.js";

const FIELDS = [
  ["api_url", "API URL", "http://STREAMER:PORT, as Central reaches it; empty: the hostname"],
  ["public_payload_url", "Public payload URL", "As viewers reach it; empty: the API URL"],
  ["private_payload_url", "Private payload URL", "As other streamers reach it"],
  ["cluster_key", "Cluster key", "The same as in the streamer's configuration"],
  ["channel_limit", "Channel limit", "Streams it takes at most"],
];

const TYPES = { channel_limit: "number", cluster_key: "password" };

export function Settings({ streamer, onDone }) {
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
    if (!confirm(t("Disconnect {name}? Its streams move to others.", { name: streamer.hostname }))) return;
    try {
      await remove(item("streamers", streamer.hostname));
      location.hash = link("streamers");
    } catch (failure) {
      setError(failure);
    }
  };
  const value = (name) => (name === "cluster_key" ? "" : streamer[name] ?? "");
  return html`<form onSubmit=${submit} onInput=${() => setSaved(false)}>
    ${FIELDS.map(([name, label, hint]) => html`<${Field} key=${name} label=${t(label)} hint=${t(hint)}>
      <input name=${name} defaultValue=${value(name)} autocomplete=${name === "cluster_key" ? "new-password" : "off"}
        type=${TYPES[name] || "text"} min=${name === "channel_limit" ? 0 : undefined} />
    <//>`)}
    <${Failure} error=${error} />
    ${saved && html`<p role="status">${t("Saved.")}</p>`}
    <div class="bar">
      <button>${t("Save")}</button>
      <button type="button" class="plain danger" onClick=${erase}>${t("Disconnect")}</button>
    </div>
  </form>`;
}
