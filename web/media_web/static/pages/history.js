// Figures over time as Central keeps them, or a streamer with `pulsedb`: an hour, a day, a week, a month, a year.

import { html, useEffect, useState } from "../vendor/htm-preact.js";
import { get } from "../api.js";
import { HistoryChart } from "../chart.js";
import { t } from "../i18n.js";
import { Failure } from "../widgets.js";

const HOUR = 3600_000;
const SPANS = { hour: ["Hour", HOUR], day: ["Day", 24 * HOUR], week: ["Week", 168 * HOUR], month: ["Month", 730 * HOUR], year: ["Year", 8760 * HOUR] };
const POINTS = 200;
const POLL_MS = 30_000; // history is kept by the minute

/** Central always does; a streamer by itself where `pulsedb` is set. */
export const keepsHistory = (ui) => ui.product === "central" || Boolean(ui.menu_items?.pulse);

/** `charts` [{title, series: [{key, title}], unit}] of what GET `path` (/history/…) answers. */
export function History({ path, charts }) {
  const [span, setSpan] = useState("hour");
  const [{ data, error }, setState] = useState({ data: null, error: null });
  useEffect(() => {
    let timer;
    let stopped = false;
    const ask = async () => {
      const to = Date.now();
      try {
        const found = await get(`${path}?${new URLSearchParams({ from: to - SPANS[span][1], to, points: POINTS })}`);
        if (!stopped) setState({ data: { ...found, from: to - SPANS[span][1], to }, error: null });
      } catch (failure) {
        if (!stopped) setState((before) => ({ data: before.data, error: failure }));
      }
      if (!stopped) timer = setTimeout(ask, POLL_MS);
    };
    ask();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [path, span]);
  return html`<section class="history" aria-label=${t("History")}>
    <div class="bar spans" role="group" aria-label=${t("Span of time")}>
      <h2>${t("History")}</h2>
      ${Object.entries(SPANS).map(([key, [title]]) => html`<button type="button" key=${key} class="small" aria-pressed=${key === span}
        onClick=${() => setSpan(key)}>${t(title)}</button>`)}
      <a class="small" href="#" onClick=${(event) => save(event, path, span)}>CSV</a>
    </div>
    <${Failure} error=${error} />
    ${data && !data.points.length && html`<p class="empty">${t("Nothing was recorded in this time.")}</p>`}
    ${data?.points.length > 0 && html`<div class="charts">${charts.map(({ title, series, unit }) => html`<figure key=${title}>
      <figcaption>${t(title)}</figcaption>
      <${HistoryChart} points=${data.points} step=${data.step} from=${data.from} to=${data.to} series=${series} unit=${unit} label=${t(title)} />
    </figure>`)}</div>`}
  </section>`;
}

/** The same figures as a file: fetched here, because a link would carry no login. */
async function save(event, path, span) {
  event.preventDefault();
  const to = Date.now();
  const text = await get(`${path}?${new URLSearchParams({ from: to - SPANS[span][1], to, points: POINTS, format: "csv" })}`);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = `${path.split("/").slice(2).join("-")}-${span}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}

export const UNITS = {
  kbit: { least: 100, show: (value) => (value >= 1000 ? `${Math.round(value / 100) / 10}M` : `${Math.round(value)}k`) },
  count: { least: 4, show: (value) => String(Math.round(value * 10) / 10) },
  percent: { least: 100, show: (value) => `${Math.round(value)}%` },
};
