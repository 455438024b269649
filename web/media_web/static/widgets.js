// Small pieces that more than one page uses.

import { html, useEffect, useRef, useState } from "./vendor/htm-preact.js";
import { t, told } from "./i18n.js";

export function Failure({ error }) {
  if (!error) return null;
  return html`<p class="failure" role="alert">${told(error.message)}</p>`;
}

export function StatusDot({ status, title }) {
  return html`<span class="dot ${status}" title=${title || status} aria-hidden="true"></span>`;
}

/** Number of the input that is shown, from 1; 0 where it is not known by its address. */
const inputInUse = ({ inputs = [], stats }) => inputs.findIndex(({ url }) => url && url === stats?.url) + 1;

/** One word and one colour for what a stream does now. */
export function streamState(stream) {
  const stats = stream.stats || {};
  if (stream.disabled) return { status: "disabled", text: t("disabled") };
  const input = inputInUse(stream);
  if (stats.alive && input > 1) return { status: "waiting", text: t("on input {number}", { number: input }) };
  if (stats.alive) return { status: "ok", text: t("running") };
  if (stats.status === "waiting") return { status: "waiting", text: t("waiting") };
  if (stats.source_error) return { status: "error", text: told(stats.source_error) };
  return { status: stats.status === "error" ? "error" : "waiting", text: t(stats.status || "starting") };
}

export function StreamState({ stream }) {
  const { status, text } = streamState(stream);
  return html`<span class="state"><${StatusDot} status=${status} title=${text} />${text}<${RecordingLight} stream=${stream} /></span>`;
}

/** Whether a stream that shall be recorded is; nothing for others. */
export function RecordingLight({ stream }) {
  const stats = stream.stats || {};
  if (stats.dvr_enabled) return html`<span class="dot recording" role="img" aria-label=${t("recording")} title=${t("recording")}></span>`;
  const error = stats.dvr_write?.error;
  return error && html`<small class="failure unrecorded" title=${told(error)}>${t("not recorded")}</small>`;
}

/** A button that puts `text` on the clipboard; works without the clipboard API (plain HTTP) too. */
export function CopyButton({ text, label }) {
  const [copied, setCopied] = useState(false);
  const timer = useRef();
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async () => {
    await copyText(text);
    setCopied(true);
    timer.current = setTimeout(() => setCopied(false), 1500);
  };
  return html`<button type="button" class="small" onClick=${copy} aria-label=${t("Copy {what}", { what: label || text })}>
    ${copied ? t("Copied") : t("Copy")}
  </button>`;
}

async function copyText(text) {
  if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** A modal dialog of the platform: Escape closes it, focus stays inside and returns. */
export function Dialog({ title, onClose, children }) {
  const element = useRef();
  useEffect(() => {
    const dialog = element.current;
    dialog.showModal();
    return () => dialog.close(); // while it is still in the page, so that the focus goes back
  }, []);
  return html`<dialog ref=${element} onClose=${onClose} aria-label=${title}>
    <h2>${title}</h2>
    ${children}
  </dialog>`;
}

/** Tabs are links: the address names the tab, and Tab and Enter are all that a keyboard needs. */
export function Tabs({ tabs, current, base }) {
  return html`<nav class="tabs" aria-label=${t("Sections")}>
    ${Object.entries(tabs).map(
      ([key, title]) => html`<a key=${key} href="${base}?tab=${key}" aria-current=${key === current ? "page" : undefined}>${t(title)}</a>`,
    )}
  </nav>`;
}

/** A control with its name; the hint is no part of the name that a screen reader says. */
export function Field({ label, hint, children }) {
  return html`<div class="field">
    <label><span>${label}</span>${children}</label>${hint && html`<small>${hint}</small>`}
  </div>`;
}

const BROWSERS = { Edg: "Edge", OPR: "Opera", Firefox: "Firefox", HeadlessChrome: "Chrome", Chrome: "Chrome", Version: "Safari" };
const SYSTEMS = /Tizen|Web0S|Windows|Android|iPhone|iPad|CrOS|Mac OS X|Linux/;

/** The program of a viewer: browsers by their name and system, others as they call themselves. */
export function Agent({ text }) {
  if (!text) return "–";
  const key = text.startsWith("Mozilla/") && Object.keys(BROWSERS).find((one) => text.includes(`${one}/`));
  const version = key && new RegExp(`${key}/(\\d+)`).exec(text)?.[1];
  const short = version ? [`${BROWSERS[key]} ${version}`, SYSTEMS.exec(text)?.[0]].filter(Boolean).join(", ") : text;
  return html`<span class="agent" title=${text}>${short}</span>`;
}

/** How long a running stream has been up. */
export const uptime = (stats) =>
  stats?.alive && stats.opened_at ? duration(Date.now() - stats.opened_at) : "–";

export const kbit = (value) =>
  value == null ? "–" : value >= 1000 ? `${(value / 1000).toFixed(1)} ${t("Mbit/s")}` : `${Math.round(value)} ${t("kbit/s")}`;

export function bytes(value) {
  if (value == null) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let index = 0;
  while (value >= 1024 && index < units.length - 1) {
    value /= 1024;
    index += 1;
  }
  return `${value.toFixed(index ? 1 : 0)} ${t(units[index])}`;
}

export function duration(ms) {
  if (ms == null || ms < 0) return "–";
  const s = Math.floor(ms / 1000);
  const parts = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60, s % 60];
  const [d, h, m, sec] = parts;
  if (d) return t("{d}d {h}h", { d, h });
  if (h) return t("{h}h {m}m", { h, m });
  return m ? t("{m}m {s}s", { m, s: sec }) : t("{s}s", { s: sec });
}
