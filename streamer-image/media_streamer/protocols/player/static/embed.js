// Plays the stream that the page's own address names: …/NAME/embed.html?autoplay=&mute=&proto=…
// `proto`: llhls, hls (MPEG-TS) or fmp4; without it the lowest latency that the server offers.
"use strict";

const PLAYLISTS = { llhls: "index.ll.m3u8", fmp4: "index.fmp4.m3u8", hls: "index.m3u8" };
/** A live stream that was away must be picked up again. */
const RETRY_MS = 2000;

const video = document.getElementById("video");
const note = document.getElementById("note");
const query = new URLSearchParams(location.search);
const wanted = query.get("proto");
const order = wanted in PLAYLISTS ? [wanted] : ["llhls", "hls"];
const flag = (name, fallback) => (query.has(name) ? query.get(name) !== "false" : fallback);

let choice = 0;
let hls;
let recovered = false;

function source() {
  const url = new URL(PLAYLISTS[order[choice]], location.href);
  // Whatever is not for the page (a token first of all) is for the stream.
  for (const [name, value] of query) {
    if (!["autoplay", "mute", "volume", "proto"].includes(name)) url.searchParams.append(name, value);
  }
  return url.href;
}

function say(text) {
  note.textContent = text;
}

function play() {
  if (!flag("autoplay", true)) return;
  // Browsers refuse to start with sound before the viewer has touched the page.
  video.play().catch(() => {
    video.muted = true;
    video.play().catch(() => say("Press play to start."));
  });
}

function onError(_event, data) {
  if (!data.fatal) return;
  const { ErrorTypes, ErrorDetails } = Hls;
  if (data.details === ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR) {
    say("This browser cannot decode the codecs of the stream.");
    return;
  }
  if (data.type === ErrorTypes.MEDIA_ERROR && !recovered) {
    recovered = true;
    hls.recoverMediaError();
    return;
  }
  const status = data.response?.code;
  // A protocol may be switched off for this stream: the next one may not be.
  if (status === 403 && choice + 1 < order.length) choice += 1;
  else if (status === 403) say("Access to this stream is denied.");
  else if (status === 404) say("There is no such stream.");
  else say("The stream is not running; trying again.");
  setTimeout(start, RETRY_MS);
}

function start() {
  recovered = false;
  hls?.destroy();
  if (!globalThis.Hls?.isSupported()) {
    video.src = source();
    video.onerror = () => say("This browser cannot play the stream.");
    play();
    return;
  }
  hls = new Hls({ lowLatencyMode: order[choice] === "llhls", liveDurationInfinity: true });
  hls.on(Hls.Events.ERROR, onError);
  hls.on(Hls.Events.FRAG_BUFFERED, () => say(""));
  hls.on(Hls.Events.MANIFEST_PARSED, play);
  hls.loadSource(source());
  hls.attachMedia(video);
}

video.muted = flag("mute", false);
const volume = Number(query.get("volume") ?? 100);
if (volume >= 0 && volume <= 100) video.volume = volume / 100;
start();
