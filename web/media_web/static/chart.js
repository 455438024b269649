// Charts over time: the bit rate of the last minutes as the page saw it, and history from the server.

import uPlot from "./vendor/uPlot.js";
import { html, useEffect, useRef } from "./vendor/htm-preact.js";
import { clock, day, moment, t } from "./i18n.js";

const WINDOW_SECONDS = 300;
const LEAST_SECONDS = 60; // of the scale: the first samples are not stretched over it all
const HEIGHT = 140;
const LEAST_KBIT = 100; // of the scale, so that a bit rate of nothing is a line at the bottom

const now = () => Date.now() / 1000;

function options(element) {
  const muted = getComputedStyle(element).getPropertyValue("--muted");
  const axis = { stroke: muted, grid: { stroke: "#8883", width: 1 }, ticks: { show: false } };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    padding: [null, 40, null, null], // the last moment of the axis is longer than that of others
    scales: {
      x: { range: (_chart, min, max) => [min, Math.max(max, min + LEAST_SECONDS)] },
      y: { range: (_chart, _min, max) => [0, Math.max(LEAST_KBIT, max * 1.1)] },
    },
    axes: [
      { ...axis, incrs: [15, 60], values: (_chart, ticks) => ticks.map((tick) => clock(tick * 1000)) },
      { ...axis, size: 48, values: (_chart, ticks) => ticks.map((tick) => String(Math.round(tick) / 1000)) },
    ],
    series: [{}, { stroke: "#2b8ae2", fill: "#2b8ae233", width: 2, points: { show: false } }],
  };
}

/** `value` in kbit/s, null while there is none; every rendering with a new `value` is a sample. */
export function BitrateChart({ value }) {
  const element = useRef();
  const chart = useRef();
  const points = useRef([[], []]);
  useEffect(() => {
    const place = element.current;
    chart.current = new uPlot(options(place), points.current, place);
    const observer = new ResizeObserver(() => chart.current.setSize({ width: place.clientWidth, height: HEIGHT }));
    observer.observe(place);
    return () => {
      observer.disconnect();
      chart.current.destroy();
    };
  }, []);
  useEffect(() => {
    const [times, values] = points.current;
    times.push(now());
    values.push(value ?? null);
    while (times[0] < now() - WINDOW_SECONDS) {
      times.shift();
      values.shift();
    }
    chart.current.setData(points.current);
  });
  return html`<div class="chart" ref=${element} role="img" aria-label=${t("Bit rate of the last minutes")}></div>`;
}

const DAY = 86_400;

/** What the axis says of a moment: the hour within two days, beyond that the day. */
function timeText(ms, [from, to]) {
  if (to - from <= 2 * DAY) return clock(ms, { hour: "2-digit", minute: "2-digit" });
  return day(ms, to - from > 60 * DAY ? { month: "short", year: "2-digit" } : { day: "numeric", month: "short" });
}

const PALETTE = ["#2b8ae2", "#d9822b", "#178a4c"];

function historyOptions(element, series, unit, range) {
  const muted = getComputedStyle(element).getPropertyValue("--muted");
  const axis = { stroke: muted, grid: { stroke: "#8883", width: 1 }, ticks: { show: false } };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    cursor: { y: false, drag: { x: false, y: false } },
    legend: { live: true },
    scales: {
      x: { range: () => range },
      y: { range: (_chart, _min, max) => [0, Math.max(unit.least || 1, max * 1.1)] },
    },
    axes: [{ ...axis, values: (_chart, ticks) => ticks.map((tick) => timeText(tick * 1000, range)) }, { ...axis, size: 56, values: (_chart, ticks) => ticks.map(unit.show) }],
    series: [
      { label: t("Time"), value: (_chart, seconds) => (seconds == null ? "–" : moment(seconds * 1000)) },
      ...series.map(({ title }, index) => ({ label: t(title), stroke: PALETTE[index], width: 2, points: { show: false },
        spanGaps: false, value: (_chart, value) => (value == null ? "–" : unit.show(value)) })),
    ],
  };
}

/**
 * `points` [{at (Unix ms), …}] with a line for each of `series` [{key, title}]; steps of `step` ms that
 * are missing are gaps. `from` and `to` (Unix ms) are the ends of the axis: an hour is drawn as an
 * hour, also when there is a minute of it. `unit` {show(value), least}.
 */
export function HistoryChart({ points, step, from, to, series, unit, label }) {
  const element = useRef();
  useEffect(() => {
    const place = element.current;
    const rows = withGaps(points, step);
    const columns = [rows.map((row) => row.at / 1000), ...series.map(({ key }) => rows.map((row) => row[key] ?? null))];
    const chart = new uPlot(historyOptions(place, series, unit, [from / 1000, to / 1000]), columns, place);
    const observer = new ResizeObserver(() => chart.setSize({ width: place.clientWidth, height: HEIGHT }));
    observer.observe(place);
    return () => {
      observer.disconnect();
      chart.destroy();
    };
  }, [points]);
  return html`<div class="chart" ref=${element} role="img" aria-label=${label}></div>`;
}

/** A point without figures wherever steps are left out, so that no line is drawn over them. */
function withGaps(points, step) {
  return points.flatMap((point, index) =>
    index && point.at - points[index - 1].at > 1.5 * step ? [{ at: points[index - 1].at + step }, point] : [point]);
}
