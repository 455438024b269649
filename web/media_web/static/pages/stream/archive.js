// What is recorded of a stream: a day as a line of time, a player that begins where one clicks,
// what is locked, films that are made of it.

import { html, useEffect, useMemo, useState } from "../../vendor/htm-preact.js";
import { get, item, post, request, remove } from "../../api.js";
import { link, usePolled } from "../../hooks.js";
import { moment, t, told } from "../../i18n.js";
import { leaveOf, usePlayToken, withToken } from "../../play-token.js";
import { Failure, Field, bytes, duration } from "../../widgets.js";
import "../../archive-player.js";
import { Calendar } from "./calendar.js";
import { dateText, two } from "./days.js";
import { Timeline } from "./timeline.js";

const DAY = 86_400;
const HOUR = 3600;
const RANGES_MS = 10_000;
const JOBS_MS = 2000;
/** How long ago what is looked for most often happened. */
const AGO = [["5 min ago", 300], ["1 h ago", HOUR]];
/** Nearer than this the recording of the present is not on the disk yet. */
const EDGE_SECONDS = 10;

/** Where the player, pictures and films of a stream are: beside its HLS address. */
export const mediaBase = (stream) =>
  stream.stats?.play_urls?.find((entry) => entry.form === "hls" || entry.form === "fmp4")?.url.replace(/\/[^/]*$/, "") ||
  stream.stats?.play_urls?.[0]?.url.match(/^(https?:\/\/[^/]+\/.*)\//)?.[1];

export const startOfDay = (seconds) => {
  const day = new Date(seconds * 1000);
  day.setHours(0, 0, 0, 0);
  return day.getTime() / 1000;
};
const now = () => Math.floor(Date.now() / 1000);

/** Unix seconds as the value of an input of the type `datetime-local`, in local time. */
const momentText = (seconds) => {
  const day = new Date(seconds * 1000);
  return `${dateText(seconds)}T${two(day.getHours())}:${two(day.getMinutes())}:${two(day.getSeconds())}`;
};
const secondsOf = (text) => Math.floor(new Date(text).getTime() / 1000);

const isRecorded = (stream) => Boolean(stream.dvr?.root || stream.dvr?.reference);

export function Archive({ stream, fixed }) {
  if (isRecorded(stream)) return html`<${Recorded} stream=${stream} />`;
  return html`<p class="empty">${t("This stream is not recorded.")} ${!fixed && html`<a href="${link("streams", stream.name)}?tab=settings&group=recording">${t("Record it: in the settings")}</a>`}</p>`;
}

function Recorded({ stream }) {
  const path = item("streams", stream.name);
  const { data: recorded, error: unread, reload } = usePolled(`${path}/dvr/ranges?limit=10000`, RANGES_MS);
  const { data: locked, reload: reloadLocks } = usePolled(`${path}/dvr/locks?limit=10000`, RANGES_MS);
  const ranges = recorded?.ranges || [];
  const locks = locked?.locks || [];
  const [span, setSpan] = useState(DAY);
  const [begin, setBegin] = useState(() => startOfDay(now()));
  const [start, setStart] = useState(null);
  const [at, setAt] = useState(null);
  const base = mediaBase(stream);
  const token = usePlayToken(stream);
  const leave = useMemo(() => leaveOf(stream), [stream.name, Boolean(stream.on_play)]);
  const play = (seconds) => {
    const begin = nearest(ranges, seconds);
    if (begin !== null) {
      setStart(begin);
      setAt(begin);
    }
  };
  const jump = (seconds) => {
    play(seconds);
    const found = nearest(ranges, seconds);
    if (found < begin || found >= begin + span) setBegin(span === DAY ? startOfDay(found) : found - (found % HOUR));
  };
  const go = (event) => {
    event.preventDefault();
    jump(secondsOf(`${dateText(begin)}T${new FormData(event.target).get("time")}`));
  };
  /** A day or an hour: the one with what is played, or with the newest recording. */
  const zoom = (seconds) => {
    const last = ranges.at(-1);
    const moment = at ?? last.from + last.duration - 1;
    setSpan(seconds);
    setBegin(seconds === DAY ? startOfDay(moment) : moment - (moment % HOUR));
  };
  // Days are not all as long as each other.
  const move = (count) => setBegin(span === DAY ? startOfDay(begin + count * DAY + DAY / 2) : begin + count * span);
  const chosen = useMemo(() => ({ from: at ?? ranges.at(-1)?.from ?? now() }), [at, ranges]);
  return html`<div class="archive">
    <${Light} stream=${stream} />
    <${Copies} copy=${stream.stats?.dvr_copy} />
    <${Filled} fill=${stream.stats?.dvr_replicate} />
    <${Failure} error=${unread} />
    ${recorded && !ranges.length && html`<p class="empty">${t("Nothing is recorded yet.")}</p>`}
    ${ranges.length > 0 && html`
      <div class="bar">
        <button type="button" class="plain" onClick=${() => move(-1)} aria-label=${t("Before")}>‹</button>
        <${Calendar} value=${dateText(begin)} first=${dateText(ranges[0].from)} last=${dateText(now())} ranges=${ranges}
          onChoose=${(day) => setBegin(startOfDay(secondsOf(`${day}T12:00`)))} />
        <button type="button" class="plain" onClick=${() => move(1)} disabled=${begin + span > now()} aria-label=${t("After")}>›</button>
        <select aria-label=${t("Shown")} value=${span} onChange=${(event) => zoom(Number(event.target.value))}>
          <option value=${DAY}>${t("a day")}</option><option value=${HOUR}>${t("an hour")}</option>
        </select>
        <form class="pair" onSubmit=${go}><input type="time" name="time" step="1" required aria-label=${t("Time of day")} /><button class="plain">${t("Play from")}</button></form>
        ${AGO.map(([title, seconds]) => html`<button type="button" class="plain" key=${title} onClick=${() => jump(now() - seconds)}>${t(title)}</button>`)}
        <button type="button" class="plain" onClick=${() => jump(now() - EDGE_SECONDS)}>${t("Latest")}</button>
      </div>
      <${Timeline} begin=${begin} span=${span} ranges=${ranges} locks=${locks} at=${at} base=${base} token=${token} onPlay=${play} />
      ${start !== null && base && html`<archive-player leave=${leave} src="${base}/archive-${start}-now.fmp4.m3u8"
          onmoment=${(event) => setAt(Math.floor(event.detail))}></archive-player>`}
      <${Part} stream=${stream} base=${base} token=${token} at=${chosen.from} locks=${locks} onDone=${() => { reload(); reloadLocks(); }} />`}
  </div>`;
}

/** Whether it is recorded now, and why not. */
function Light({ stream }) {
  const stats = stream.stats || {};
  const error = stats.dvr_write?.error;
  const size = stats.dvr_info?.bytes;
  if (stats.dvr_enabled) {
    return html`<p class="state"><span class="dot recording" aria-hidden="true"></span>${size ? t("Recording, {size} on the disk", { size: bytes(size) }) : t("Recording")}</p>`;
  }
  const why = error || (stream.disabled && t("the stream is disabled"));
  return html`<p class="state"><span class="dot ${error ? "error" : ""}" aria-hidden="true"></span>${t("Not recording")}${why && `: ${told(why)}`}</p>`;
}

/** What becomes of the archive elsewhere: a light, a problem if there is one, and how far it is. */
function Elsewhere({ problem, error, waits, children }) {
  const dot = error ? "error" : waits ? "waiting" : "ok";
  return html`<p class="state"><span class="dot ${dot}" aria-hidden="true"></span><span>
    ${error && html`<span class="failure">${problem}: ${told(error)}. </span>`}${children}</span></p>`;
}

/** How far the copies in a bucket are, and why not further. */
function Copies({ copy }) {
  if (!copy) return null;
  const waiting = copy.waiting_files ? t("; {files} ({size}) still to copy, the oldest for {time}", { files: files(copy.waiting_files), size: bytes(copy.waiting_bytes), time: duration(copy.lag * 1000) }) : "";
  const lost = copy.lost_files ? t("; {files} deleted here and never copied", { files: files(copy.lost_files) }) : "";
  return html`<${Elsewhere} problem=${t("Not copied")} error=${copy.error} waits=${copy.waiting_files || copy.lost_files}>
    ${copy.url && t("Copied to {url}: {files} ({size})", { url: copy.url, files: files(copy.stored_files), size: bytes(copy.stored_bytes) }) + waiting + lost}<//>`;
}

const files = (count) => (count === 1 ? t("1 file") : t("{count} files", { count }));

/** What of its gaps came from another server, and why not more. */
function Filled({ fill }) {
  if (!fill) return null;
  const filled = fill.filled_seconds ? `: ${duration(fill.filled_seconds * 1000)} (${bytes(fill.filled_bytes)})` : "";
  const missing = fill.missing_seconds ? t("; {time} still missing", { time: duration(fill.missing_seconds * 1000) }) : filled ? "" : t(": there are none");
  return html`<${Elsewhere} problem=${t("Gaps are not filled")} error=${fill.error} waits=${fill.missing_seconds}>
    ${fill.origin && t("Gaps filled from {origin}", fill) + filled + (fill.error && !fill.missing_seconds ? "" : missing)}<//>`;
}

/** The next moment that is recorded. */
export function nearest(ranges, seconds) {
  for (const { from, duration } of ranges) {
    if (seconds < from) return from;
    if (seconds < from + duration) return Math.max(from, Math.floor(seconds));
  }
  const last = ranges.at(-1);
  return last ? Math.max(last.from, last.from + last.duration - EDGE_SECONDS) : null;
}

/** A part of the archive, and what can be done with it. */
function Part({ stream, base, token, at, locks, onDone }) {
  const [from, setFrom] = useState(null);
  const [to, setTo] = useState(null);
  const [error, setError] = useState(null);
  const begin = from ?? at;
  const end = to ?? begin + 60;
  const wanted = { from: begin, duration: end - begin };
  const path = item("streams", stream.name);
  const jobs = usePolled(`/dvr_export_jobs?${new URLSearchParams({ stream: stream.name, limit: 100 })}`, JOBS_MS);
  const act = (action) => async () => {
    try {
      if (!(wanted.duration > 0)) throw new Error(t("The end must be after the start."));
      // From now on it is this part, wherever the player goes.
      setFrom(begin);
      setTo(end);
      await action();
      setError(null);
      onDone();
      jobs.reload();
    } catch (failure) {
      setError(failure);
    }
  };
  const lock = () => post(`${path}/dvr/locks`, wanted);
  const unlock = () => request("DELETE", `${path}/dvr/locks`, wanted);
  const erase = () => request("DELETE", `${path}/dvr/ranges`, wanted);
  const eraseAsked = async () => {
    if (confirm(t("Delete what is recorded of {name} from {from} to {to}?", { name: stream.name, from: moment(begin * 1000), to: moment(end * 1000) }))) await erase();
  };
  const order = () => post(`${path}/dvr/export`, wanted);
  const overlaps = locks.some((one) => one.from < end && begin < one.from + one.duration);
  return html`<h2>${t("A part")}</h2>
    <div class="part">
      <${Field} label=${t("Begins")}><input type="datetime-local" step="1" value=${momentText(begin)}
        onChange=${(event) => event.target.value && setFrom(secondsOf(event.target.value))} /><//>
      <${Field} label=${t("Ends")}><input type="datetime-local" step="1" value=${momentText(end)}
        onChange=${(event) => event.target.value && setTo(secondsOf(event.target.value))} /><//>
    </div>
    <p class="actions">
      <button type="button" class="plain" onClick=${() => setFrom(at)}>${t("Starts here")}</button>
      <button type="button" class="plain" onClick=${() => setTo(at)}>${t("Ends here")}</button>
      <button type="button" onClick=${act(order)}>${t("Export")}</button>
      <button type="button" class="plain" onClick=${act(lock)}>${t("Lock")}</button>
      <button type="button" class="plain" disabled=${!overlaps} onClick=${act(unlock)}>${t("Unlock")}</button>
      <button type="button" class="plain danger" disabled=${overlaps} title=${overlaps ? t("Something of it is locked") : ""} onClick=${act(eraseAsked)}>${t("Delete")}</button>
      ${base && wanted.duration > 0 && html`<a href=${withToken(`${base}/archive-${begin}-${wanted.duration}.mp4`, token)} download>${t("Download MP4")}</a>`}
    </p>
    <${Failure} error=${error} />
    <${Films} jobs=${jobs.data?.dvr_export_jobs || []} stream=${stream} base=${base} token=${token} onDone=${jobs.reload} />`;
}

function Films({ jobs, stream, base, token, onDone }) {
  const [error, setError] = useState(null);
  if (!jobs.length) return html`<${Failure} error=${error} />`;
  const drop = (job) => async () => {
    try {
      await remove(`/dvr_export_jobs/${job.name}?${new URLSearchParams({ stream: stream.name })}`);
      setError(null);
    } catch (failure) {
      setError(failure);
    }
    onDone();
  };
  const origin = base && new URL(base).origin;
  return html`<h2>${t("Exports")}</h2>
    <${Failure} error=${error} />
    <table class="list stacked">
      <thead><tr><th>${t("Begins")}</th><th class="number">${t("Length")}</th><th>${t("State")}</th><th class="number">${t("Size")}</th><th><span class="unseen">${t("Actions")}</span></th></tr></thead>
      <tbody>${jobs.map((job) => html`<tr key=${job.name}>
        <td>${moment(job.from * 1000)}</td>
        <td class="number">${duration(job.duration * 1000)}</td>
        <td>${job.status === "running" ? html`<progress max="100" value=${job.progress} aria-label=${t("Progress")}>${job.progress} %</progress>` : told(job.error) || t(job.status)}</td>
        <td class="number">${job.size ? bytes(job.size) : "–"}</td>
        <td><div class="actions">${job.url && origin && html`<a href=${withToken(origin + job.url, token)} download>${t("Download")}</a>`}
          <button type="button" class="plain small" onClick=${drop(job)}>${job.status === "running" || job.status === "queued" ? t("Cancel") : t("Delete")}</button></div></td>
      </tr>`)}</tbody>
    </table>`;
}
