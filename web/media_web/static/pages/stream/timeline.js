// A day of an archive as a line: what is recorded, its gaps, what is locked, where one is.

import { html, useRef, useState } from "../../vendor/htm-preact.js";

const DAY = 86_400;
const WIDTH = 1440; // a unit a minute
const HEIGHT = 46;
const STEPS = { ArrowLeft: -60, ArrowRight: 60, PageUp: -3600, PageDown: 3600 };
const PICTURE_MS = 250;

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString();

/** Parts of `ranges` within the day as {x, width}. */
export function bars(ranges, day) {
  return ranges
    .map(({ from, duration }) => [Math.max(from, day), Math.min(from + duration, day + DAY)])
    .filter(([begin, end]) => begin < end)
    .map(([begin, end]) => ({ x: ((begin - day) * WIDTH) / DAY, width: Math.max(1, ((end - begin) * WIDTH) / DAY) }));
}

/** `at`: where one is, Unix seconds; `onPlay` is told where to go. */
export function Timeline({ day, ranges, locks, at, base, onPlay }) {
  const element = useRef();
  const timer = useRef();
  const [hover, setHover] = useState(null);
  const [picture, setPicture] = useState(null);
  const momentOf = (event) => {
    const box = element.current.getBoundingClientRect();
    return Math.floor(day + (Math.min(Math.max(event.clientX - box.left, 0), box.width) / box.width) * DAY);
  };
  const isRecorded = (seconds) => ranges.some((one) => one.from <= seconds && seconds < one.from + one.duration);
  const look = (event) => {
    const seconds = momentOf(event);
    setHover(seconds);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setPicture(base && isRecorded(seconds) ? seconds : null), PICTURE_MS);
  };
  const leave = () => {
    clearTimeout(timer.current);
    setHover(null);
    setPicture(null);
  };
  const key = (event) => {
    const step = STEPS[event.key];
    if (step) onPlay((at ?? day) + step);
    else if (event.key === "Home") onPlay(day);
    else return;
    event.preventDefault();
  };
  const here = at !== null && at >= day && at < day + DAY ? ((at - day) * WIDTH) / DAY : null;
  return html`<div class="timeline">
    <svg ref=${element} viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" tabindex="0" role="slider"
      aria-label="Time of the archive" aria-valuemin=${day} aria-valuemax=${day + DAY} aria-valuenow=${at ?? day}
      aria-valuetext=${clock(at ?? day)} onClick=${(event) => onPlay(momentOf(event))}
      onPointerMove=${look} onPointerLeave=${leave} onKeyDown=${key}>
      <rect class="ground" width=${WIDTH} height=${HEIGHT} />
      ${bars(ranges, day).map((bar) => html`<rect class="recorded" x=${bar.x} y="6" width=${bar.width} height="28" />`)}
      ${bars(locks, day).map((bar) => html`<rect class="locked" x=${bar.x} y="36" width=${bar.width} height="8" />`)}
      ${Array.from({ length: 23 }, (_, hour) => html`<line class="hour" x1=${(hour + 1) * 60} x2=${(hour + 1) * 60} y1="0" y2=${hour % 6 === 5 ? HEIGHT : 6} />`)}
      ${here !== null && html`<line class="here" x1=${here} x2=${here} y1="0" y2=${HEIGHT} />`}
    </svg>
    <p class="hours" aria-hidden="true">${[0, 6, 12, 18, 24].map((hour) => html`<span>${hour}:00</span>`)}</p>
    <p class="hint">${hover !== null ? clock(hover) : at !== null ? `Plays ${new Date(at * 1000).toLocaleString()}` : "Choose a moment to play from there."}
      ${picture !== null && html` <img src="${base}/${picture}-preview.jpg" alt="Picture at ${clock(picture)}" />`}</p>
  </div>`;
}
