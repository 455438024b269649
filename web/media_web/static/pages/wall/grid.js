// Streams as pictures: only those in sight are asked for, each anew every few seconds.

import { html, useEffect, useMemo, useRef, useState } from "../../vendor/htm-preact.js";
import { link } from "../../hooks.js";
import { StreamState, kbit } from "../../widgets.js";
import { t } from "../../i18n.js";
import { usePlayToken, withToken } from "../../play-token.js";
import { LOCKED, noPicture, stillOf } from "../stream/screen.js";
import { Pick } from "./list.js";

const REFRESH_MS = 10_000;

/** What is drawn in place of a picture: lines in a square of 24. */
const SIGNS = {
  off: "M12 3v8M7 6a8 8 0 1 0 10 0",
  clock: "M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18M12 7v5l4 2",
  sound: "M4 9v6h4l5 4V5L8 9zM16 8a5 5 0 0 1 0 8M18 5a9 9 0 0 1 0 14",
  lock: "M6 11h12v9H6zM8 11V8a4 4 0 0 1 8 0v3",
  broken: "M3 3l18 18M9 5h11v11M17 19H4V8",
};
const NONE_CAME = { sign: "broken", text: "No picture" };

export function Grid({ streams, chosen, onChoose, fixed }) {
  return html`<ul class="wall">${streams.map((stream) => html`<li key=${stream.name}>
    <a href=${link("streams", stream.name)}><${Thumbnail} stream=${stream} /><b>${stream.title || stream.name}</b></a>
    <span class="tile">
      ${!fixed && html`<${Pick} name=${stream.name} chosen=${chosen} onChoose=${onChoose} />`}
      <${StreamState} stream=${stream} />
      ${stream.stats?.alive && html`<small>${kbit(stream.stats.bitrate)}, ${stream.stats.online_clients ?? 0} ▶</small>`}
    </span>
  </li>`)}</ul>`;
}

/** All that ask in the same ten seconds get the same picture of a cache. */
const moment = () => Math.floor(Date.now() / REFRESH_MS);

/** The picture, or a sign and the reason why there is none. */
function Thumbnail({ stream }) {
  const url = stillOf(stream);
  const element = useRef();
  const [seen, setSeen] = useState(false);
  const token = usePlayToken(stream, seen && Boolean(url));
  const [at, setAt] = useState(moment);
  useEffect(() => {
    const observer = new IntersectionObserver(([entry]) => setSeen(entry.isIntersecting), { rootMargin: "200px" });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (!seen) return undefined;
    const timer = setInterval(() => !document.hidden && setAt(moment()), REFRESH_MS);
    return () => clearInterval(timer);
  }, [seen]);
  const [failed, setFailed] = useState(null);
  // A fresh token alone is no reason to ask again.
  const src = useMemo(() => url && token != null && withToken(`${url}?at=${at}`, token), [url, at, token == null]);
  const locked = Boolean(url) && token === null;
  const { sign, text } = !url ? noPicture(stream) : locked ? LOCKED : NONE_CAME;
  const blank = !url || locked || (src && failed === src);
  return html`<span class="thumbnail ${blank ? "blank" : ""}" ref=${element}>
    ${blank && html`<svg viewBox="0 0 24 24" aria-hidden="true"><path d=${SIGNS[sign]} /></svg><small>${t(text)}</small>`}
    ${src && seen && html`<img src=${src} alt="" decoding="async" hidden=${blank} onLoad=${() => setFailed(null)} onError=${() => setFailed(src)} />`}
  </span>`;
}
