// The picture of a stream: still until play is pressed, so that looking at the page watches nothing.

import { html, useEffect, useMemo, useState } from "../../vendor/htm-preact.js";
import { link } from "../../hooks.js";
import { t, told } from "../../i18n.js";
import { leaveOf, usePlayToken, withToken } from "../../play-token.js";
import { CopyButton } from "../../widgets.js";

const STILL_MS = 5000;

/** Play URL by the short name of its form, as the server lists them. */
export const urlOf = (stream, form) => stream.stats?.play_urls?.find((entry) => entry.form === form)?.url;

const isPublished = (stream) => (stream.inputs || []).some((input) => input.url?.startsWith("publish:"));

const hasPicture = (stream) => (stream.stats?.media_info?.tracks || []).some((track) => track.content === "video");

/** Address of the last picture, if there is one. */
export const stillOf = (stream) => (stream.stats?.alive && hasPicture(stream) ? urlOf(stream, "jpeg") : undefined);

/** Who is given no play token sees no picture of a stream that is not for everybody. */
export const LOCKED = { sign: "lock", text: "Not for everybody" };

/** Why a stream has no picture to show: `sign` {off, clock, sound, broken} and words. */
export function noPicture(stream) {
  if (stream.disabled) return { sign: "off", text: "Off" };
  if (!stream.stats?.alive) {
    if (stream.static === false) return { sign: "clock", text: "On demand" };
    return isPublished(stream) ? { sign: "clock", text: "Nobody publishes" } : { sign: "broken", text: "No data" };
  }
  const { tracks } = stream.stats.media_info || {};
  if (!tracks?.length) return { sign: "clock", text: "No data yet" };
  return hasPicture(stream) ? { sign: "off", text: "Pictures are off" } : { sign: "sound", text: "Sound only" };
}

/** Ways to play, the best first; each is tried until one shows a picture. */
const WAYS = ["llhls", "hls", "mseld", "webrtc"];

const sourcesOf = (stream) => WAYS.map((proto) => ({ proto, url: urlOf(stream, proto) })).filter(({ url }) => url);

export function Screen({ stream, ui }) {
  const [playing, setPlaying] = useState(false);
  const sources = sourcesOf(stream);
  const blank = (text) => html`<div class="screen"><p>${text}</p></div>`;
  if (stream.disabled) return blank(t("The stream is disabled."));
  if (!stream.stats?.play_urls) return blank(t("No streamer runs this stream yet."));
  if (!sources.length) return blank(t("All protocols that a browser plays are switched off for this stream."));
  const waits = stream.static === false;
  if (!stream.stats.alive && !waits) return html`<div class="screen"><${Silence} stream=${stream} ui=${ui} /></div>`;
  if (playing) return html`<${Player} sources=${JSON.stringify(sources)} stream=${stream} />`;
  return html`<button type="button" class="screen still" onClick=${() => setPlaying(true)}>
    <${Still} stream=${stream} />
    ${!stillOf(stream) && stream.stats.alive && html`<small>${t(noPicture(stream).text)}</small>`}
    <span class="play">▶ ${t("Play")}</span>
    ${!stream.stats.alive && html`<small>${t("It starts with the first viewer.")}</small>`}
  </button>`;
}

/** Why there is nothing to see, and where to look further. */
function Silence({ stream, ui }) {
  const problem = stream.stats.source_error;
  if (!problem) return html`<${Waiting} stream=${stream} />`;
  return html`<div><p>${told(problem)}</p>
    <p>${t("It is tried again and again.")} <a href="${link("streams", stream.name)}?tab=log">${t("Log")}</a>
      ${ui.documentation && html` · <a href="/docs/troubleshooting.html" target="_blank" rel="noopener">${t("Why does it not play?")}</a>`}</p></div>`;
}

/** The last picture, every few seconds while the page is seen. */
function Still({ stream, track }) {
  const url = stillOf(stream);
  const token = usePlayToken(stream, Boolean(url));
  const [time, setTime] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && setTime((count) => count + 1), STILL_MS);
    return () => clearInterval(timer);
  }, [url]);
  const chosen = track ? `&filter.tracks=${track}` : "";
  const [shown, setShown] = useState();
  useEffect(() => {
    setShown(url && token != null ? withToken(`${url}?at=${time}${chosen}`, token) : undefined);
  }, [url, time, chosen, token == null]); // a fresh token alone is no reason to ask again
  if (url && token === null) return html`<small>${t(LOCKED.text)}</small>`;
  return shown && html`<img src=${shown} alt="" />`;
}

/** Of a ladder: the last picture of each rendition. */
export function Renditions({ stream }) {
  const videos = (stream.stats?.media_info?.tracks || []).filter((track) => track.content === "video");
  if (!stillOf(stream) || videos.length < 2) return null;
  return html`<ul class="renditions">
    ${videos.map(
      ({ track_id: id, width, height }) => html`<li key=${id}>
        <${Still} stream=${stream} track=${id} />
        <small>${t("Track {id}", { id })} ${width}×${height}</small>
      </li>`,
    )}
  </ul>`;
}

/** The player with its library, which nobody else needs. */
function Player({ sources, stream }) {
  const [ready, setReady] = useState(false);
  const leave = useMemo(() => leaveOf(stream), [stream.name, Boolean(stream.on_play)]);
  useEffect(() => {
    import("../../player.js").then(() => setReady(true));
  }, []);
  return ready ? html`<stream-player leave=${leave} sources=${sources}></stream-player>` : html`<div class="screen"><p>${t("Loading …")}</p></div>`;
}

/** What it waits for; of a publisher, where he publishes, as encoders ask for it. */
function Waiting({ stream }) {
  if (!isPublished(stream)) return html`<p>${t("Waiting for the source.")}</p>`;
  const { url, server, key } = stream.stats.publish_urls?.find((entry) => entry.server) || stream.stats.publish_urls?.[0] || {};
  const rows = server ? [["Server", server], ["Stream key", key]] : url ? [["Address", url]] : [];
  return html`<div><p>${t("Waiting for a publisher.")} ${rows.length > 0 && t("In OBS or another encoder:")}</p>
    <dl class="encoder">${rows.map(([title, value]) => html`<dt>${t(title)}</dt><dd><code>${value}</code> <${CopyButton} text=${value} label=${t(title)} /></dd>`)}</dl>
    ${rows.length > 0 && html`<a href="${link("streams", stream.name)}?tab=input">${t("All addresses")}</a>`}</div>`;
}
