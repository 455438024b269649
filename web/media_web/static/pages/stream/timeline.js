// A day or an hour of an archive as a line: what is recorded, its gaps, what is locked, where one is.

import { html, useRef, useState } from "../../vendor/htm-preact.js";
import { clock as clockText, moment, t } from "../../i18n.js";
import { withToken } from "../../play-token.js";

const WIDTH = 1440;
const HEIGHT = 46;
/** Keys: parts of what is shown. */
const STEPS = { ArrowLeft: -1 / 1440, ArrowRight: 1 / 1440, PageUp: -1 / 24, PageDown: 1 / 24 };
const TICKS = 24;
const PICTURE_MS = 250;

const clock = (seconds) => clockText(seconds * 1000);
const short = (seconds) => clockText(seconds * 1000, { hour: "2-digit", minute: "2-digit" });

/** Parts of `ranges` within what is shown as {x, width}. */
export function bars(ranges, shown, span) {
  return ranges
    .map(({ from, duration }) => [Math.max(from, shown), Math.min(from + duration, shown + span)])
    .filter(([begin, end]) => begin < end)
    .map(([begin, end]) => ({ x: ((begin - shown) * WIDTH) / span, width: Math.max(1, ((end - begin) * WIDTH) / span) }));
}

/** `begin`, `span`: what is shown; `at`: where one is; in seconds. `onPlay` is told where to go;
 * `token`: for pictures (`usePlayToken`). */
export function Timeline({ begin, span, ranges, locks, at, base, token, onPlay }) {
  const element = useRef();
  const timer = useRef();
  const [hover, setHover] = useState(null);
  const [picture, setPicture] = useState(null);
  const momentOf = (event) => {
    const box = element.current.getBoundingClientRect();
    return Math.floor(begin + (Math.min(Math.max(event.clientX - box.left, 0), box.width) / box.width) * span);
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
    if (step) onPlay((at ?? begin) + Math.round(step * span));
    else if (event.key === "Home") onPlay(begin);
    else return;
    event.preventDefault();
  };
  const here = at !== null && at >= begin && at < begin + span ? ((at - begin) * WIDTH) / span : null;
  return html`<div class="timeline">
    <svg ref=${element} viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" tabindex="0" role="slider"
      aria-label=${t("Time of the archive")} aria-valuemin=${begin} aria-valuemax=${begin + span} aria-valuenow=${at ?? begin}
      aria-valuetext=${clock(at ?? begin)} onClick=${(event) => onPlay(momentOf(event))}
      onPointerMove=${look} onPointerLeave=${leave} onKeyDown=${key}>
      <rect class="ground" width=${WIDTH} height=${HEIGHT} />
      ${bars(ranges, begin, span).map((bar) => html`<rect class="recorded" x=${bar.x} y="6" width=${bar.width} height="28" />`)}
      ${bars(locks, begin, span).map((bar) => html`<rect class="locked" x=${bar.x} y="36" width=${bar.width} height="8" />`)}
      ${Array.from({ length: TICKS - 1 }, (_, tick) => html`<line class="hour" x1=${((tick + 1) * WIDTH) / TICKS} x2=${((tick + 1) * WIDTH) / TICKS} y1="0" y2=${tick % 6 === 5 ? HEIGHT : 6} />`)}
      ${here !== null && html`<line class="here" x1=${here} x2=${here} y1="0" y2=${HEIGHT} />`}
    </svg>
    <p class="hours" aria-hidden="true">${[0, 1, 2, 3, 4].map((part) => html`<span>${short(begin + (part * span) / 4)}</span>`)}</p>
    <p class="hint">${hover !== null ? clock(hover) : at !== null ? t("Plays {moment}", { moment: moment(at * 1000) }) : t("Choose a moment to play from there.")}
      ${picture !== null && html` <img src=${withToken(`${base}/${picture}-preview.jpg`, token)} alt=${t("Picture at {time}", { time: clock(picture) })} />`}</p>
  </div>`;
}
