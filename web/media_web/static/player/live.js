// A live stream in a <video>: by the first way that works, kept near the live edge, picked up again.
//
// Ways are tried in order. The next one is tried where the server refuses one, the browser cannot
// decode it, or no picture comes in time; a stream that is away is waited for by the way that was
// chosen.

import { HlsPlayer, library } from "./hls.js";
import { MsePlayer } from "./mse.js";
import { WebRtcPlayer } from "./webrtc.js";

/** A live stream that was away must be picked up again. */
const RETRY_MS = 2000;
/** A browser learns no codec; the stream may come to have another one. */
const UNDECODED_RETRY_MS = 30_000;
const FIRST_PICTURE_MS = 12_000;
/** After so long a black page says what it waits for. */
const PATIENCE_MS = 2500;
export const PLAYLISTS = ["llhls", "fmp4", "hls"];

const DENIED = "Access to this stream is denied.";
const NONE = "There is no such stream.";
const COMING = "Waiting for the first picture.";
const AWAY = "The stream is not running; trying again.";
const UNDECODED = "This browser cannot decode {codec}.";
const UNKNOWN = "This browser cannot play the stream.";
/** What people call a codec, by how RFC 6381 begins its name. */
const CODECS = { hvc1: "HEVC (H.265)", hev1: "HEVC (H.265)", av01: "AV1", vp08: "VP8", vp09: "VP9", avc1: "H.264", "ac-3": "AC-3", "ec-3": "E-AC-3", mp4a: "AAC" };
const codecOf = (type = "") => Object.entries(CODECS).find(([begin]) => type.includes(begin))?.[1];
const NOT_ACCEPTABLE = 406;
const LACKS = "{track}: this browser does not decode {codec}.";
const LONG_GOP = "{track}: {seconds} s between key frames. Segments get as long; set the encoder to 2 s.";
const REORDERED = "The video has B-frames, which browsers do not show smoothly by WebRTC: encode without.";
export const SILENT = "The source of the stream gives no data: the publisher has left. Waiting for it.";

export class LivePlayer {
  /**
   * `sources` [{proto, url}], the best first; `proto` is webrtc, mseld, llhls, fmp4 or hls.
   * `on` has `say(text)`, `away(text)` (a picture in place of the frozen frame; "" when it is over)
   * `changed()` (qualities, latency) and `warn(text, values)` (what is wrong and does not stop it). `leave` {needed, ask} gives who is refused what opens the
   * stream: `ask()` promises a piece of a query, null without one.
   */
  constructor(video, sources, on, leave) {
    this.video = video;
    this.sources = sources;
    this.on = on;
    this.leave = leave;
    this.asksLeave = Boolean(leave?.needed);
    this.choice = 0;
    this.start();
  }

  get proto() {
    return this.sources[this.choice]?.proto;
  }

  get latency() {
    return this.way?.latency;
  }

  get qualities() {
    return this.way?.qualities ?? [];
  }

  async start() {
    this.stop();
    const run = (this.run = {});
    const source = this.sources[this.choice];
    if (!source) return;
    const playlist = PLAYLISTS.includes(source.proto);
    const Hls = playlist ? await library() : undefined;
    const url = await this.addressOf(source);
    if (run !== this.run) return;
    this.patience = setTimeout(() => this.next(), FIRST_PICTURE_MS);
    if (!this.shown && !this.told) this.hint = setTimeout(() => this.on.say(COMING), PATIENCE_MS);
    const events = this.events(run);
    if (playlist && !Hls) this.startNative(url);
    else if (playlist) this.way = new HlsPlayer(Hls, this.video, url, source.proto === "llhls", events);
    else if (source.proto === "mseld") this.startMse(url, events);
    else if (globalThis.RTCPeerConnection) this.way = new WebRtcPlayer(this.video, url, events);
    else this.next() || this.on.say("This browser has no WebRTC.");
  }

  async addressOf({ url }) {
    const query = this.asksLeave ? await this.leave.ask() : "";
    return query ? `${url}${url.includes("?") ? "&" : "?"}${query}` : url;
  }

  events(run) {
    const mine = (action) => (...values) => run === this.run && action(...values);
    return {
      playing: mine(() => {
        clearTimeout(this.patience);
        clearTimeout(this.hint);
        this.shown = true;
        this.mayAsk = true;
        this.lacked = undefined; // what was lacked once is not what is lacked next
        this.on.say("");
        this.on.away("");
      }),
      silent: mine(() => {
        clearTimeout(this.hint);
        clearTimeout(this.patience); // another way would bring nothing, either
        this.on.away(SILENT);
      }),
      levels: mine(() => this.on.changed()),
      lacks: mine((track, type) => this.on.warn(LACKS, { track, codec: codecOf(type) ?? type })),
      longGop: mine((track, seconds) => this.on.warn(LONG_GOP, { track, seconds: seconds.toFixed(1) })),
      reordered: mine(() => this.on.warn(REORDERED)),
      unsupported: mine((type) => this.undecoded(type)),
      ended: mine((status, words) => this.refused(status, words)),
    };
  }

  /** The next way may bring another codec; where none is left it is said which one is lacked. */
  undecoded(type, words = "") {
    // A server that was offered too little names the codec at the end.
    this.lacked = codecOf(type) ?? this.lacked ?? /: ([\w, ]+)$/.exec(words)?.[1];
    if (this.next()) return;
    this.told = true;
    this.stop();
    if (this.lacked) this.on.say(UNDECODED, { codec: this.lacked });
    else this.on.say(words || UNKNOWN);
    this.retry = setTimeout(() => {
      this.choice = 0;
      this.start();
    }, UNDECODED_RETRY_MS);
  }

  /** Safari on a phone: it plays HLS by itself. */
  startNative(url) {
    this.video.src = url;
    this.video.onplaying = () => this.events(this.run).playing();
    this.video.onerror = () => this.next() || this.on.say(UNKNOWN);
  }

  startMse(address, events) {
    if (!globalThis.MediaSource) {
      if (!this.next()) this.on.say(UNKNOWN);
      return;
    }
    // A browser does not say why a WebSocket was refused: the same address answers it in words.
    const ended = async () => {
      const { run } = this;
      const answer = await fetch(address.replace(/^ws/, "http")).catch(() => undefined);
      // 426: it would be served.
      if (run === this.run) events.ended(answer?.status === 426 ? undefined : answer?.status);
    };
    this.way = new MsePlayer(this.video, address.replace(/^http/, "ws"), { ...events, ended });
  }

  /** The next way, if there is one that was not tried. */
  next() {
    if (this.shown || this.choice + 1 >= this.sources.length) return false;
    this.choice += 1;
    this.start();
    return true;
  }

  refused(status, words) {
    if (status === NOT_ACCEPTABLE) return this.undecoded(undefined, words);
    // Leave that was never asked for, or has ended.
    if (status === 403 && this.leave && (this.mayAsk || !this.asksLeave)) {
      this.asksLeave = true;
      this.mayAsk = false;
      return this.start();
    }
    // Without a way by UDP or where WebRTC is off, another protocol may still do.
    const hopeless = status === 403 || (this.proto === "webrtc" && status !== 404 && status !== 503);
    if (hopeless && this.next()) return;
    const text = status === 403 ? DENIED : status === 404 ? NONE : words || AWAY;
    if (this.shown) this.on.away(SILENT);
    this.told = true;
    this.on.say(text);
    this.stop();
    this.retry = setTimeout(() => this.start(), RETRY_MS);
  }

  goLive() {
    this.way?.goLive?.();
    this.video.play()?.catch(() => {});
  }

  stop() {
    this.run = undefined;
    clearTimeout(this.retry);
    clearTimeout(this.hint);
    clearTimeout(this.patience);
    this.way?.destroy();
    this.way = undefined;
    this.video.onerror = this.video.onplaying = null;
  }

  destroy() {
    this.stop();
    this.video.removeAttribute("src");
    this.video.load();
  }
}

/** Sources of `wanted` among `urls` {proto: address}, in its order. */
export const sourcesOf = (urls, wanted) => wanted.filter((proto) => urls[proto]).map((proto) => ({ proto, url: urls[proto] }));
