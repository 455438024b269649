// Plays the stream that the page's own address names: …/NAME/embed.html?autoplay=&mute=&proto=…
// `proto`: webrtc, mseld, llhls, hls (MPEG-TS) or fmp4; `realtime=true` asks for the lowest latency. Without
// either LL-HLS, and HLS where that is switched off.
"use strict";

const PLAYLISTS = { llhls: "index.ll.m3u8", fmp4: "index.fmp4.m3u8", hls: "index.m3u8" };
const SOCKET = "mse_ld";
const OFFER = "whep";
const OWN = ["autoplay", "mute", "volume", "proto", "realtime"];
/** A live stream that was away must be picked up again. */
const RETRY_MS = 2000;

const video = document.getElementById("video");
const note = document.getElementById("note");
const query = new URLSearchParams(location.search);
const flag = (name, fallback) => (query.has(name) ? query.get(name) !== "false" : fallback);
const wanted = { mse: "mseld" }[query.get("proto")] ?? query.get("proto");
const order =
  ["mseld", "webrtc"].includes(wanted) || wanted in PLAYLISTS
    ? [wanted]
    : [...(flag("realtime", false) ? ["mseld"] : []), "llhls", "hls"];

let choice = 0;
let player;
let recovered = false;

function source(last) {
  const url = new URL(last, location.href);
  // Whatever is not for the page (a token first of all) is for the stream.
  for (const [name, value] of query) {
    if (!OWN.includes(name)) url.searchParams.append(name, value);
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

/** Whether another protocol is tried: one may be switched off for this stream. */
function falls() {
  if (choice + 1 >= order.length) return false;
  choice += 1;
  return true;
}

function refused(status) {
  if (status === 403 && !falls()) say("Access to this stream is denied.");
  else if (status === 404) say("There is no such stream.");
  else if (status !== 403) say("The stream is not running; trying again.");
  setTimeout(start, RETRY_MS);
}

function onError(hls, data) {
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
  refused(data.response?.code);
}

/** A menu of [value, text]; hidden where there is nothing to choose. */
function offer(id, choices, chosen, take) {
  const menu = document.getElementById(id);
  menu.replaceChildren(...choices.map(([value, text]) => new Option(text, value)));
  menu.value = chosen;
  menu.onchange = () => take(Number(menu.value));
  menu.parentElement.hidden = choices.length < 2;
}

function offerLevels(hls) {
  const levels = hls.levels.map(({ height, bitrate }, number) => [
    number,
    height ? `${height}p` : `${Math.round(bitrate / 1000)} kbit/s`,
  ]);
  const choices = levels.length > 1 ? [[-1, "Auto"], ...levels] : [];
  offer("quality", choices, -1, (level) => (hls.nextLevel = level));
}

function offerSounds(hls) {
  const sounds = hls.audioTracks.map(({ name }, number) => [number, name]);
  offer("sound", sounds, Math.max(0, hls.audioTrack), (sound) => (hls.audioTrack = sound));
}

function startHls(proto) {
  const hls = new Hls({ lowLatencyMode: proto === "llhls", liveDurationInfinity: true });
  hls.on(Hls.Events.ERROR, (_event, data) => onError(hls, data));
  hls.on(Hls.Events.FRAG_BUFFERED, () => say(""));
  hls.on(Hls.Events.MANIFEST_PARSED, play);
  hls.on(Hls.Events.MANIFEST_PARSED, () => offerLevels(hls));
  hls.on(Hls.Events.AUDIO_TRACKS_UPDATED, () => offerSounds(hls));
  hls.loadSource(source(PLAYLISTS[proto]));
  hls.attachMedia(video);
  return hls;
}

function startMse() {
  const address = source(SOCKET);
  const started = new MsePlayer(video, address.replace(/^http/, "ws"), {
    playing: () => say(""),
    silent: () => say("The source of the stream gives no data; waiting for it."),
    unsupported: (type) => say(`This browser cannot decode ${type}.`),
    // A browser does not say why a WebSocket was refused: the same address answers it in words.
    ended: async () => {
      const answer = await fetch(address).catch(() => undefined);
      if (player !== started) return;
      // 426: it would be served.
      refused(answer?.status === 426 ? undefined : answer?.status);
    },
  });
  play();
  return started;
}

function startWebRtc() {
  const started = new WebRtcPlayer(video, source(OFFER), {
    playing: () => say(""),
    ended: (status, words) => {
      if (player !== started) return;
      refused(status);
      if (words && status !== 403) say(words);
    },
  });
  play();
  return started;
}

function start() {
  recovered = false;
  player?.destroy();
  player = undefined;
  for (const menu of ["quality", "sound"]) offer(menu, []);
  const proto = order[choice];
  if (proto === "mseld" && globalThis.MediaSource) {
    player = startMse();
    return;
  }
  if (proto === "webrtc") {
    if (globalThis.RTCPeerConnection) player = startWebRtc();
    else say("This browser has no WebRTC.");
    return;
  }
  if (!globalThis.Hls?.isSupported()) {
    video.src = source(PLAYLISTS[proto === "mseld" ? "llhls" : proto]);
    video.onerror = () => say("This browser cannot play the stream.");
    play();
    return;
  }
  player = startHls(proto);
}

video.muted = flag("mute", false);
const volume = Number(query.get("volume") ?? 100);
if (volume >= 0 && volume <= 100) video.volume = volume / 100;
start();
