// All streams: a list or a wall of pictures, problems first, with totals, filters and bulk changes.
//
// What is shown stands in the address, so a view can be kept and sent to others. The server puts in
// order and cuts pages: the browser holds one page, whether there are ten streams or ten thousand.

import { html, useState } from "../../vendor/htm-preact.js";
import { link, setQuery, usePolled } from "../../hooks.js";
import { t } from "../../i18n.js";
import { Failure } from "../../widgets.js";
import { AddStream } from "./add.js";
import { Bulk } from "./bulk.js";
import { Filters, Totals } from "./filters.js";
import { Grid } from "./grid.js";
import { List } from "./list.js";

const PAGE_SIZE = 50;
const POLL_MS = 2000;
const MANY = 500; // streams, from which on the list is asked for less often
const MANY_POLL_MS = 5000;

/** What rows show, and no more: a page of 50 is 15 kB. */
const ROW = "name,title,disabled,static,inputs.url,named_by,labels,on_play.url,stats.alive,stats.status,stats.source_error,stats.url," +
  "stats.bitrate,stats.online_clients,stats.opened_at,stats.dvr_enabled,stats.dvr_write.error";
const TILE = "stats.play_urls,stats.media_info.tracks.content";
const PLACE = "layout.ingest"; // Central knows where a stream runs

const SORTS = { "": { order: "state" }, name: { sort: "name" }, viewers: { sort: "-stats.online_clients,name" }, bitrate: { sort: "-stats.bitrate,name" } };

/** The query of the API for what the address says; without `page` it means all pages. */
export function queryOf(query, page = {}) {
  const asked = new URLSearchParams({ ...SORTS[query.get("sort") || ""] || SORTS[""], ...page });
  const text = query.get("q");
  if (text) asked.set("q", text);
  for (const name of ["state", "streamer"]) if (query.get(name)) asked.set(name, query.get(name));
  const [, key, value] = /^([\w.-]+)=(.*)$/.exec(query.get("label") || "") || [];
  if (key) asked.set(`labels.${key}`, value);
  return asked;
}

export function Wall({ ui, route }) {
  const { query } = route;
  const [adding, setAdding] = useState(false);
  const [created, setCreated] = useState(null);
  const [chosen, setChosen] = useState(new Set());
  const [count, setCount] = useState(0);
  const fixed = ui.config_external || ui.readsOnly;
  const central = ui.product === "central";
  const isGrid = query.get("view") === "grid";
  const asked = queryOf(query, { limit: PAGE_SIZE, cursor: query.get("cursor") || "", include_totals: true, select: [ROW, isGrid && TILE, central && PLACE].filter(Boolean).join() });
  const { data, error, reload } = usePolled(`/streams?${asked}`, count > MANY ? MANY_POLL_MS : POLL_MS);
  if (data && data.estimated_count !== count) setCount(data.estimated_count);
  const close = (name) => {
    setAdding(false);
    if (name) setCreated(name);
    reload();
  };
  const Body = isGrid ? Grid : List;
  const filtered = ["q", "state", "streamer", "label"].some((name) => query.get(name));
  const change = (changes) => {
    setChosen(new Set());
    setQuery(route, { cursor: null, page: null, ...changes });
  };
  const empty = filtered ? t("No stream matches.") : t("No streams yet. Add the first one.");
  const bulk = { chosen, setChosen, streams: data?.streams || [], count: data?.estimated_count || 0, query, ui, onDone: reload };
  return html`<header class="bar">
      <h1>${t("Media")}</h1>
      <${Filters} query=${query} central=${central} onChange=${change} />
      ${!fixed && central && html`<a class="button plain" href=${link("import")}>${t("Import …")}</a>`}
      ${!fixed && html`<button type="button" onClick=${() => setAdding(true)}>${t("Add stream")}</button>`}
    </header>
    <${Failure} error=${error} />
    ${created && html`<p class="banner" role="status">${t("Created")} <a href=${link("streams", created)}>${created}</a>.</p>`}
    ${data?.totals && html`<${Totals} totals=${data.totals} matches=${filtered && data.estimated_count < data.totals.all ? data.estimated_count : undefined} query=${query} onChange=${change} />`}
    ${!fixed && html`<${Bulk} ...${bulk} />`}
    <div class=${error ? "stale" : ""}>
      ${data && !data.streams.length && html`<p class="empty">${empty}</p>`}
      ${data?.streams.length > 0 && html`<${Body} streams=${data.streams} central=${central} chosen=${chosen} onChoose=${setChosen} fixed=${fixed} />`}
    </div>
    ${data && html`<${Pages} data=${data} number=${Number(query.get("page")) || 1} onGo=${(cursor, page) => setQuery(route, { cursor, page })} />`}
    ${adding && html`<${AddStream} onClose=${close} />`}`;
}

function Pages({ data, number, onGo }) {
  if (!data.next && !data.prev) return null;
  const last = Math.ceil(data.estimated_count / PAGE_SIZE);
  const values = { number, last, count: data.estimated_count };
  return html`<nav class="bar end" aria-label=${t("Pages")}>
    <span>${t("Page {number} of {last}, {count} streams", values)}</span>
    <button type="button" class="plain" disabled=${!data.prev} onClick=${() => onGo(data.prev, number - 1)}>${t("Previous")}</button>
    <button type="button" class="plain" disabled=${!data.next} onClick=${() => onGo(data.next, number + 1)}>${t("Next")}</button>
  </nav>`;
}
