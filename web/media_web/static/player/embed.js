// The player page of the stream that its own address names: …/NAME/embed.html?autoplay=&mute=&proto=…
// `proto`: webrtc, mseld, llhls, hls (MPEG-TS) or fmp4; `realtime=true` asks for the lowest latency.
// Without either LL-HLS, then whatever works. `lang`: the language, if it is not the browser's.

import { Controls } from "./controls.js";
import { LivePlayer, sourcesOf } from "./live.js";
import { wordsOf } from "./words.js";

const ENDS = { webrtc: "whep", mseld: "mse_ld", llhls: "index.ll.m3u8", fmp4: "index.fmp4.m3u8", hls: "index.m3u8" };
const USUAL = ["llhls", "hls", "mseld", "webrtc"];
const REALTIME = ["mseld", "webrtc", "llhls", "hls"];
const OWN = ["autoplay", "mute", "volume", "proto", "realtime", "lang"];
const VOLUME_STEP = 0.1;

const video = document.getElementById("video");
const query = new URLSearchParams(location.search);
const flag = (name, fallback) => (query.has(name) ? query.get(name) !== "false" : fallback);
const wanted = { mse: "mseld" }[query.get("proto")] ?? query.get("proto");
const order = wanted in ENDS ? [wanted] : flag("realtime", false) ? REALTIME : USUAL;

function address(last) {
  const url = new URL(last, location.href);
  // Whatever is not for the page (a token first of all) is for the stream.
  for (const [name, value] of query) {
    if (!OWN.includes(name)) url.searchParams.append(name, value);
  }
  return url.href;
}

const urls = Object.fromEntries(Object.entries(ENDS).map(([proto, last]) => [proto, address(last)]));
const words = await wordsOf(query.get("lang"));
const controls = new Controls(document.body, video, words);
document.title = decodeURIComponent(location.pathname).split("/").slice(1, -1).join("/");
video.setAttribute("aria-label", document.title);
controls.note.id = "note";
controls.quality.id = "quality";
controls.sound.id = "sound";

function play(asked) {
  if (asked !== true && !flag("autoplay", true)) return;
  // Browsers refuse to start with sound before the viewer has touched the page.
  video.play().catch((error) => {
    if (error.name !== "NotAllowedError") return;
    video.muted = true;
    video.play().catch(() => controls.say("Press play to start."));
  });
}

video.muted = flag("mute", false);
const volume = Number(query.get("volume") ?? 100);
if (volume >= 0 && volume <= 100) video.volume = volume / 100;
video.addEventListener("loadedmetadata", play);
controls.player = new LivePlayer(video, sourcesOf(urls, order), controls.events);

const louder = (step) => (video.volume = Math.min(1, Math.max(0, video.volume + step)));
/** What the keys of other players do, wherever the focus is but on a button or a choice. */
const KEYS = {
  " ": () => (video.paused ? play(true) : video.pause()),
  k: () => KEYS[" "](),
  m: () => (video.muted = !video.muted),
  f: () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()),
  l: () => controls.player.goLive(),
  ArrowUp: () => louder(VOLUME_STEP),
  ArrowDown: () => louder(-VOLUME_STEP),
};
video.setAttribute("aria-keyshortcuts", "Space K M F L ArrowUp ArrowDown");
document.addEventListener("keydown", (event) => {
  const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action || event.ctrlKey || event.altKey || event.metaKey || event.target.closest("select, button")) return;
  event.preventDefault(); // the browser's own controls would do it a second time
  action();
});
