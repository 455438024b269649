// One stream: its name and state, what can be done with it, and its tabs (tabs.js).

import { html, useState } from "../../vendor/htm-preact.js";
import { item, post, put, remove } from "../../api.js";
import { link, tabOf, usePolled } from "../../hooks.js";
import { t, told } from "../../i18n.js";
import { Failure, StreamState, Tabs } from "../../widgets.js";
import { tabsOf } from "./tabs.js";

export function StreamPage({ name, route, ui }) {
  const { data: stream, error, reload } = usePolled(item("streams", name));
  if (!stream && error?.status === 404) return html`<h1>${name}</h1><p class="empty">${t("There is no stream of this name.")} <a href=${link("media")}>${t("All streams")}</a></p>`;
  if (!stream) return html`<h1>${name}</h1><${Failure} error=${error} />`;
  const tabs = tabsOf(ui, stream);
  const titles = Object.fromEntries(tabs.map(({ key, title }) => [key, title]));
  const tab = tabOf(route, titles);
  const { Body } = tabs.find(({ key }) => key === tab);
  // Streams of a configuration backend are changed there; this server would refuse.
  const fixed = stream.named_by === "external" || ui.readsOnly;
  const stale = error ? "stale" : "";
  return html`<header class="bar ${stale}">
      <h1>${stream.title || stream.name}</h1>
      <${StreamState} stream=${stream} />
      ${!ui.readsOnly && html`<${Actions} stream=${stream} fixed=${fixed} onDone=${reload} />`}
    </header>
    <${Failure} error=${error} />
    <${Origin} stream=${stream} />
    <${Warnings} stream=${stream} />
    <${Tabs} tabs=${titles} current=${tab} base=${link("streams", name)} />
    <section class=${stale}><${Body} stream=${stream} ui=${ui} fixed=${fixed} route=${route} onDone=${reload} /></section>`;
}

function Origin({ stream }) {
  if (stream.named_by === "external") {
    return html`<p class="banner">${t("From Central: this server runs the stream but keeps it in no file. Change it in Central.")}</p>`;
  }
  const owner = stream.managed_by && stream.managed_by !== "central" ? stream.managed_by : null;
  return owner && html`<p class="banner">${t("Managed by {owner}: change it there.", { owner })}</p>`;
}

/** What of its settings the server does not do. */
function Warnings({ stream }) {
  return (stream.warnings || []).map((text) => html`<p class="banner" key=${text}>${told(text)}</p>`);
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
    if (!confirm(t("Delete the stream {name}?", stream))) return;
    await remove(path);
    location.hash = link("media");
  };
  const turn = () => put(path, { disabled: !stream.disabled });
  return html`<span class="actions">
      ${!stream.disabled && html`<button type="button" class="plain" onClick=${act(() => post(`${path}/stop`))}>${t("Restart")}</button>`}
      ${!fixed && html`<button type="button" class="plain" onClick=${act(turn)}>${stream.disabled ? t("Enable") : t("Disable")}</button>
        <button type="button" class="plain danger" onClick=${act(erase)}>${t("Delete")}</button>`}
    </span>
    <${Failure} error=${error} />`;
}

