// Plays a stream by HLS through hls.js, which is fetched when something is played; LL-HLS stays near
// the live edge, and a player that fell behind comes back to it.

const LIBRARY = new URL("../vendor/hls.min.js", import.meta.url).href;
/** Further behind than wanted by this many seconds it jumps; nearer it plays a little faster. */
const JUMP_SECONDS = 3;
const FASTER = 1.1;
/** Without anything new for so long the source gives nothing; segments set the pace of plain HLS. */
const SILENT_MS = 4000;
const SILENT_SEGMENTS = 2.5;
const TICK_MS = 500;
/** Seconds that this and the server's clock may disagree by before the playlist's own count is shown. */
const CLOCK_SLACK = 2;
/** With longer GOPs the first picture comes late, and segments get as long. */
const LONG_GOP_SECONDS = 4;

let loading;

/** hls.js, asked for once; undefined where it cannot be had or the browser lacks what it needs. */
export function library() {
  loading ??= new Promise((done) => {
    const script = document.createElement("script");
    script.src = LIBRARY;
    script.onload = () => done(globalThis.Hls?.isSupported() ? globalThis.Hls : undefined);
    script.onerror = () => {
      loading = undefined;
      done(undefined);
    };
    document.head.append(script);
  });
  return loading;
}

export class HlsPlayer {
  /**
   * `Hls` is the library. `on` has `playing()`, `silent()`, `levels()`, `unsupported(type)`,
   * `longGop(track, seconds)` and `ended(status)`, the last once.
   */
  constructor(Hls, video, address, lowLatency, on) {
    this.video = video;
    this.on = on;
    this.heardAt = performance.now();
    this.hls = new Hls({ lowLatencyMode: lowLatency, liveDurationInfinity: true, maxLiveSyncPlaybackRate: FASTER });
    const { Events } = Hls;
    this.hls.on(Events.ERROR, (_event, data) => this.onError(Hls, data));
    this.hls.on(Events.FRAG_BUFFERED, () => this.heard());
    this.hls.on(Events.LEVEL_UPDATED, (_event, { details }) => this.measure(details));
    this.hls.on(Events.MANIFEST_PARSED, () => this.on?.levels());
    this.hls.on(Events.AUDIO_TRACKS_UPDATED, () => this.on?.levels());
    this.hls.loadSource(address);
    this.hls.attachMedia(video);
    this.onSeeking = () => this.seeking();
    this.onPlay = () => this.goLive();
    video.addEventListener("seeking", this.onSeeking);
    video.addEventListener("play", this.onPlay);
    this.timer = setInterval(() => this.steer(), TICK_MS);
  }

  destroy() {
    if (this.isOver) return;
    this.isOver = true;
    this.on = undefined;
    clearInterval(this.timer);
    this.video.removeEventListener("seeking", this.onSeeking);
    this.video.removeEventListener("play", this.onPlay);
    this.hls.destroy();
  }

  heard() {
    this.heardAt = performance.now();
    this.on?.playing();
  }

  onError(Hls, data) {
    if (!data.fatal) return;
    if (data.details === Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR) {
      this.on?.unsupported();
      return;
    }
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && !this.recovered) {
      this.recovered = true;
      this.hls.recoverMediaError();
      return;
    }
    const { on } = this;
    this.destroy();
    on?.ended(data.response?.code);
  }

  /** From one part that a decoder can begin with to the next: only low-latency playlists tell. */
  measure({ partList, url }) {
    const track = /\/tracks-(v\d+)\//.exec(url)?.[1];
    if (!partList || !track) return;
    for (const { independent, duration, fragment, index } of partList) {
      const place = fragment.sn + index / 1000;
      if (place <= this.measured) continue;
      if (independent && this.gop > LONG_GOP_SECONDS) this.on?.longGop(track, this.gop);
      if (independent) this.gop = 0;
      this.gop += duration; // NaN before the first such part
      this.measured = place;
    }
  }

  get details() {
    return this.hls.levels?.[Math.max(0, this.hls.currentLevel)]?.details;
  }

  get isLive() {
    return this.details?.live ?? false;
  }

  /** Seconds from the camera to the screen; by the playlist alone where clocks disagree. */
  get latency() {
    if (!this.isLive) return undefined;
    const date = this.hls.playingDate;
    const byClock = date ? (Date.now() - date) / 1000 : undefined;
    return byClock > -CLOCK_SLACK && byClock < 600 ? Math.max(0, byClock) : this.hls.latency || undefined;
  }

  /** The viewer may look at what was: then nothing brings him back but himself. */
  seeking() {
    const edge = this.hls.liveSyncPosition;
    if (this.jumping || edge == null) return;
    this.held = this.video.currentTime < edge - 2 * JUMP_SECONDS;
  }

  goLive() {
    const edge = this.hls.liveSyncPosition;
    this.held = false;
    if (!this.isLive || edge == null || Math.abs(edge - this.video.currentTime) < 1) return;
    this.jumping = true;
    this.video.currentTime = edge;
    this.video.addEventListener("seeked", () => (this.jumping = false), { once: true });
  }

  steer() {
    const { details, hls, video } = this;
    if (!details || !this.isLive) return;
    const patience = details.partTarget ? SILENT_MS : Math.max(SILENT_MS, SILENT_SEGMENTS * 1000 * details.targetduration);
    if (performance.now() - this.heardAt > patience && !video.paused) this.on?.silent();
    const edge = hls.liveSyncPosition;
    if (this.held || video.paused || video.seeking || edge == null) return;
    if (edge - video.currentTime > JUMP_SECONDS) this.goLive();
  }

  /** [{value, title}] of the renditions, the best first; none where there is no choice. */
  get qualities() {
    const { levels = [] } = this.hls;
    if (levels.length < 2) return [];
    return levels
      .map(({ height, bitrate }, value) => ({ value, bitrate, title: height ? `${height}p` : `${Math.round(bitrate / 1000)} kbit/s` }))
      .sort((one, other) => other.bitrate - one.bitrate);
  }

  /** -1 lets the player choose. */
  set quality(value) {
    this.hls.nextLevel = value;
  }

  get quality() {
    return this.hls.autoLevelEnabled ? -1 : this.hls.nextLevel;
  }

  /** [{value, title}] of the sounds. */
  get sounds() {
    return (this.hls.audioTracks || []).map(({ name }, value) => ({ value, title: name }));
  }

  set sound(value) {
    this.hls.audioTrack = value;
  }

  get sound() {
    return Math.max(0, this.hls.audioTrack);
  }
}
