// What of all streams is shown, and how many there are of each state.

import { html } from "../../vendor/htm-preact.js";
import { usePolled } from "../../hooks.js";
import { t } from "../../i18n.js";
import { StatusDot } from "../../widgets.js";

const STATES = { problem: ["error", "Problems"], waiting: ["waiting", "Waiting"], running: ["ok", "Running"], disabled: ["disabled", "Disabled"] };
const SORTS = { "": "Problems first", name: "By name", viewers: "Most viewers", bitrate: "Highest bit rate" };

export function Filters({ query, central, onChange }) {
  const set = (name) => (event) => onChange({ [name]: event.target.value || null });
  const view = query.get("view") === "grid" ? "grid" : "list";
  return html`<input type="search" placeholder=${t("Find a stream")} aria-label=${t("Find a stream")} value=${query.get("q") || ""} onInput=${set("q")} />
    ${central && html`<${StreamerFilter} value=${query.get("streamer") || ""} onChange=${set("streamer")} />`}
    <input class="short" placeholder=${t("label=value")} aria-label=${t("Label")} value=${query.get("label") || ""} onInput=${set("label")} />
    <select class="short" aria-label=${t("Order")} onChange=${set("sort")}>
      ${Object.entries(SORTS).map(([key, title]) => html`<option key=${key} value=${key} selected=${key === (query.get("sort") || "")}>${t(title)}</option>`)}
    </select>
    <span class="switch" role="group" aria-label=${t("View")}>
      ${[["list", "List"], ["grid", "Pictures"]].map(([key, title]) => html`<button type="button" key=${key} class="small" aria-pressed=${key === view}
        onClick=${() => onChange({ view: key === "list" ? null : key })}>${t(title)}</button>`)}
    </span>`;
}

function StreamerFilter({ value, onChange }) {
  const { data } = usePolled("/streamers?limit=1000&select=hostname", 15000);
  const names = new Set([...(data?.streamers || []).map(({ hostname }) => hostname), ...(value ? [value] : [])]);
  return html`<select class="short" aria-label=${t("Streamer")} onChange=${onChange}>
    <option value="" selected=${!value}>${t("All streamers")}</option>
    ${[...names].map((name) => html`<option key=${name} value=${name} selected=${name === value}>${name}</option>`)}
  </select>`;
}

/** `matches`: how many of them all are shown, undefined where all are. */
export function Totals({ totals, matches, query, onChange }) {
  const chosen = query.get("state") || "";
  const chip = (key, dot, title, count) => html`<button type="button" key=${key} class="chip" aria-pressed=${key === chosen}
    onClick=${() => onChange({ state: key || null })}>${dot && html`<${StatusDot} status=${dot} />`}${t(title)} <b>${count}</b></button>`;
  return html`<div class="totals" role="group" aria-label=${t("State")}>
    ${chip("", null, "All", totals.all)}
    ${Object.entries(STATES).map(([key, [dot, title]]) => chip(key, dot, title, totals[key]))}
    ${matches !== undefined && html`<span class="hint">${t("{count} match", { count: matches })}</span>`}
  </div>`;
}
