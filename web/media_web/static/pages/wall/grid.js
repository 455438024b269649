// Streams as pictures: only those in sight are asked for, each anew every few seconds.

import { html, useEffect, useRef, useState } from "../../vendor/htm-preact.js";
import { link } from "../../hooks.js";
import { StreamState, kbit } from "../../widgets.js";
import { stillOf } from "../stream/screen.js";
import { Pick } from "./list.js";

const REFRESH_MS = 10_000;

export function Grid({ streams, chosen, onChoose, fixed }) {
  return html`<ul class="wall">${streams.map((stream) => html`<li key=${stream.name}>
    <a href=${link("streams", stream.name)}><${Thumbnail} url=${stillOf(stream)} /><b>${stream.title || stream.name}</b></a>
    <span class="tile">
      ${!fixed && html`<${Pick} name=${stream.name} chosen=${chosen} onChoose=${onChoose} />`}
      <${StreamState} stream=${stream} />
      ${stream.stats?.alive && html`<small>${kbit(stream.stats.bitrate)}, ${stream.stats.online_clients ?? 0} ▶</small>`}
    </span>
  </li>`)}</ul>`;
}

/** All that ask in the same ten seconds get the same picture of a cache. */
const moment = () => Math.floor(Date.now() / REFRESH_MS);

function Thumbnail({ url }) {
  const element = useRef();
  const [seen, setSeen] = useState(false);
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
  return html`<span class="thumbnail" ref=${element}>${url && seen && html`<img src="${url}?at=${at}" alt="" decoding="async" />`}</span>`;
}
