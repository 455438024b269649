// A day of an archive, chosen from a month in which those with something recorded are marked.

import { html, useEffect, useMemo, useRef, useState } from "../../vendor/htm-preact.js";
import { day as written, t } from "../../i18n.js";
import { dateText, monthOf, plusMonths, recordedDays, stepped, weeksOf, within } from "./days.js";

/** A Monday. */
const MONDAY = "2024-01-01";
const WEEK = weeksOf(MONDAY)[0];
/** Days are written as those of the reader's own clock: noon is of the same day everywhere. */
const say = (day, options) => written(new Date(`${day}T12:00`).getTime(), options);

/** `value`: the day that is shown; `first`, `last`: what may be chosen; `onChoose` is told the day. */
export function Calendar({ value, first, last, ranges, onChoose }) {
  const box = useRef();
  const opener = useRef();
  const [open, setOpen] = useState(false);
  const close = (back) => {
    setOpen(false);
    if (back) opener.current.focus();
  };
  useEffect(() => {
    if (!open) return undefined;
    const outside = (event) => !box.current.contains(event.target) && setOpen(false);
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
    };
  }, [open]);
  const key = (event) => {
    if (event.key === "Escape" && open) close(true);
  };
  const choose = (day) => {
    onChoose(day);
    close(true);
  };
  const shown = say(value, { weekday: "short", day: "numeric", month: "short", year: "numeric" });
  return html`<div class="calendar" ref=${box} onKeyDown=${key}>
    <button type="button" class="plain" ref=${opener} aria-haspopup="dialog" aria-expanded=${open} aria-label=${t("Day: {day}", { day: shown })}
      onClick=${() => setOpen(!open)}>${shown}</button>
    ${open && html`<${Month} value=${value} first=${first} last=${last} ranges=${ranges} onChoose=${choose} />`}
  </div>`;
}

function Month({ value, first, last, ranges, onChoose }) {
  const grid = useRef();
  const [at, setAt] = useState(within(value, first, last));
  /** Whether the keyboard is in the days: else the buttons keep it. */
  const follows = useRef(true);
  const month = monthOf(at);
  const marked = useMemo(() => recordedDays(ranges, month), [ranges, month]);
  const today = dateText(Date.now() / 1000);
  useEffect(() => {
    if (follows.current) grid.current.querySelector("[tabindex='0']").focus();
    follows.current = false;
  }, [at]);
  const key = (event) => {
    const next = stepped(at, event.key);
    if (next === null) return;
    event.preventDefault();
    follows.current = true;
    setAt(within(next, first, last));
  };
  // Not disabled at the ends: the keyboard would be in a button that hears nothing.
  const turn = (count, title, sign, end) => html`<button type="button" class="plain small" aria-label=${title} aria-disabled=${month === monthOf(end)}
    onClick=${() => setAt(within(plusMonths(at, count), first, last))}>${sign}</button>`;
  const cell = (day) => {
    const long = say(day, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
    const name = marked.has(day) ? t("{day}, recorded", { day: long }) : t("{day}, nothing recorded", { day: long });
    return html`<td role="gridcell" key=${day} aria-selected=${day === value}>
      <button type="button" class=${marked.has(day) ? "marked" : ""} tabindex=${day === at ? 0 : -1} disabled=${day < first || day > last}
        aria-label=${name} aria-current=${day === today ? "date" : null} onClick=${() => onChoose(day)}>${Number(day.slice(8))}</button></td>`;
  };
  return html`<div class="month" role="dialog" aria-label=${t("Choose a day")}>
    <p>${turn(-1, t("Month before"), "‹", first)}
      <b aria-live="polite">${say(`${month}-15`, { month: "long", year: "numeric" })}</b>
      ${turn(1, t("Month after"), "›", last)}</p>
    <table role="grid" ref=${grid} aria-label=${t("Days")} onKeyDown=${key}>
      <thead><tr>${WEEK.map((day) => html`<th scope="col" key=${day} abbr=${say(day, { weekday: "long" })}>${say(day, { weekday: "short" })}</th>`)}</tr></thead>
      <tbody>${weeksOf(at).map((week) => html`<tr key=${week.find(Boolean)}>${week.map((day) => (day ? cell(day) : html`<td></td>`))}</tr>`)}</tbody>
    </table>
  </div>`;
}
