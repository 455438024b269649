// Plays a stream from a WebSocket (…/NAME/mse_ld) by Media Source Extensions, near the live edge.
/** Seconds behind the newest picture: grows when the player stalls, shrinks while it does not. */
const FIRST_DELAY = 0.15;
const LONGEST_DELAY = 1.5;
/** Further behind than this beyond the wanted delay it jumps; nearer it plays faster. */
const JUMP_SECONDS = 1;
const KEEP_SECONDS = 10;
const TICK_MS = 100;
/** A stall sends it this much further back; each quiet half minute brings it a tenth nearer. */
const STALL_SECONDS = 0.1;
const QUIET_MS = 30_000;
/** Without a fragment for this long the source gives nothing. */
const SILENT_MS = 3000;
const TRACK_BYTE = 47;
const CLOCK_BYTE = 92;

export class MsePlayer {
  /**
   * `on` has `playing()`, `silent()`, `unsupported(type)`, `lacks(track, type)` and `ended(reason)`;
   * each may be called again, the last once.
   */
  constructor(video, address, on) {
    this.video = video;
    this.on = on;
    this.delay = FIRST_DELAY;
    this.calmSince = this.heardAt = performance.now();
    this.tracks = new Map();
    this.source = new MediaSource();
    this.url = URL.createObjectURL(this.source);
    this.opened = new Promise((done) => {
      this.source.addEventListener("sourceopen", done, { once: true });
    });
    video.src = this.url;
    this.onWaiting = () => this.stalled();
    video.addEventListener("waiting", this.onWaiting);
    this.socket = new WebSocket(address);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => this.take(data);
    this.socket.onclose = (event) => this.end(event.reason);
    this.timer = setInterval(() => this.steer(), TICK_MS);
  }

  /** To the newest picture at once. */
  goLive() {
    if (this.video.buffered.length) this.video.currentTime = Math.max(0, this.liveEnd - this.delay);
  }

  /** Seconds from the camera to the screen, as far as the server's and this clock agree. */
  get latency() {
    if (!this.newest || !this.video.buffered.length) return undefined;
    const behind = this.liveEnd - this.video.currentTime;
    return Date.now() / 1000 - this.newest + behind;
  }

  get liveEnd() {
    const { buffered } = this.video;
    return buffered.length ? buffered.end(buffered.length - 1) : 0;
  }

  destroy() {
    this.on = undefined;
    clearInterval(this.timer);
    this.video.removeEventListener("waiting", this.onWaiting);
    this.socket.onclose = this.socket.onmessage = null;
    this.socket.close();
    this.video.playbackRate = 1;
    URL.revokeObjectURL(this.url);
  }

  end(reason) {
    this.on?.ended(this.reason ?? reason);
    this.destroy();
  }

  take(data) {
    if (typeof data !== "string") {
      this.append(new Uint8Array(data));
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "mse_init_segment") this.describe(message.tracks);
    else if (message.event === "stream_unavailable") this.reason = message.reason;
  }

  async describe(tracks) {
    const playable = tracks.filter(({ mime_type: type }) => MediaSource.isTypeSupported(type));
    const refused = tracks.find((track) => !playable.includes(track));
    if (refused && !playable.some(({ content }) => content === "video")) this.on?.unsupported(refused.mime_type);
    else if (refused) this.on?.lacks(refused.track_id, refused.mime_type); // a picture without sound is more than none
    if (!playable.length) return;
    const others = this.tracks.size && playable.some(({ id }) => !this.tracks.has(id));
    if (others || (this.tracks.size && this.tracks.size !== playable.length)) {
      // A media source cannot get buffers later on: begin anew.
      this.end("the tracks of the stream changed");
      return;
    }
    for (const { id, mime_type: type, payload } of playable) {
      const init = Uint8Array.from(atob(payload), (letter) => letter.charCodeAt(0));
      const track = this.tracks.get(id) ?? { queue: [], type };
      track.queue.push(init);
      if (track.buffer && track.type !== type) track.newType = type;
      track.type = type;
      this.tracks.set(id, track);
    }
    await this.opened;
    if (this.source.readyState !== "open") return;
    for (const track of this.tracks.values()) {
      if (track.buffer) continue;
      track.buffer = this.source.addSourceBuffer(track.type);
      track.buffer.addEventListener("updateend", () => this.flush(track));
    }
    this.tracks.forEach((track) => this.flush(track));
  }

  append(fragment) {
    const track = this.tracks.get(fragment[TRACK_BYTE]);
    if (!track) return;
    this.heardAt = performance.now();
    const view = new DataView(fragment.buffer);
    this.newest = view.getUint32(CLOCK_BYTE) + view.getUint32(CLOCK_BYTE + 4) / 1e6;
    track.queue.push(fragment);
    this.flush(track);
  }

  /** Append all that waits, in one call. */
  flush(track) {
    const { buffer, queue } = track;
    if (!buffer || buffer.updating || this.source.readyState !== "open" || this.video.error) return;
    const past = this.video.currentTime - KEEP_SECONDS;
    if (buffer.buffered.length && buffer.buffered.start(0) < past - KEEP_SECONDS) {
      buffer.remove(0, past);
      return;
    }
    if (!queue.length) return;
    if (track.newType) {
      buffer.changeType(track.newType);
      track.newType = undefined;
    }
    const bytes = new Uint8Array(queue.reduce((sum, { length }) => sum + length, 0));
    let place = 0;
    for (const piece of queue) {
      bytes.set(piece, place);
      place += piece.length;
    }
    queue.length = 0;
    try {
      buffer.appendBuffer(bytes);
    } catch (error) {
      this.end(error.message);
    }
  }

  /** Stay near the live end: begin there, go over holes, be a little faster or jump when behind. */
  steer() {
    const { video } = this;
    const { buffered } = video;
    if (video.error) {
      this.end(video.error.message);
      return;
    }
    if (performance.now() - this.heardAt > SILENT_MS) {
      this.on?.silent();
      return;
    }
    if (!buffered.length || video.seeking) return;
    const end = this.liveEnd;
    const first = buffered.start(buffered.length - 1);
    const behind = end - video.currentTime;
    if (video.currentTime < first || behind > this.delay + JUMP_SECONDS) {
      video.currentTime = Math.max(first, end - this.delay);
      return;
    }
    if (video.paused) return;
    video.playbackRate = behind > this.delay + 0.05 ? 1.08 : behind < this.delay / 2 ? 0.95 : 1;
    if (video.readyState >= 3) this.on?.playing();
    if (performance.now() - this.calmSince > QUIET_MS) {
      this.calmSince = performance.now();
      this.delay = Math.max(FIRST_DELAY, this.delay * 0.9);
    }
  }

  stalled() {
    if (this.video.seeking) return;
    this.calmSince = performance.now();
    this.delay = Math.min(LONGEST_DELAY, this.delay + STALL_SECONDS);
  }
}
