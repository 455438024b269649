// Plays a stream by WHEP in a <video>: one session, from `new` to `destroy()` or `ended`.
/** ICE and DTLS; the picture follows at once. */
const WEBRTC_CONNECT_MS = 10000;
const TICK_MS = 500;
/** Without anything new for this long the source gives nothing: the connection itself stays. */
const SILENT_MS = 3000;

const LOST = "The connection was lost; trying again.";

const LINK = /<([^>]*)>((?:\s*;\s*[\w-]+=(?:"(?:[^"\\]|\\.)*"|[^;,\s]*))*)/g;
const PARAMETER = /;\s*([\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^;,\s]*))/g;

/** STUN and TURN servers of a Link header, as `RTCPeerConnection` takes them. */
export function iceServersOf(header) {
  const found = [];
  for (const [, urls, text] of header.matchAll(LINK)) {
    const server = { urls };
    for (const [, name, quoted, bare] of text.matchAll(PARAMETER)) {
      server[name] = quoted?.replace(/\\(.)/g, "$1") ?? bare;
    }
    const { rel, username, credential } = server;
    if (rel !== "ice-server") continue;
    found.push(username === undefined ? { urls } : { urls, username, credential });
  }
  return found;
}

/** `on.playing()` and `on.silent()` again and again, `on.reordered()` of a video with B-frames, and once `on.ended(status, words)`: the status of HTTP if the server refused. */
export class WebRtcPlayer {
  constructor(video, address, on) {
    this.video = video;
    this.address = address;
    this.on = on;
    this.peer = new RTCPeerConnection();
    this.timer = setTimeout(
      () => this.end(undefined, "There is no way to the server by UDP or TCP; trying again."),
      WEBRTC_CONNECT_MS,
    );
    this.stream = new MediaStream();
    this.peer.ontrack = (event) => this.stream.addTrack(event.track);
    this.peer.onconnectionstatechange = () => this.changed();
    for (const kind of ["video", "audio"]) {
      this.peer.addTransceiver(kind, { direction: "recvonly" });
    }
    this.open().catch((error) => this.end(undefined, `WebRTC: ${error.message}; trying again.`));
  }

  async open() {
    const offer = await this.peer.createOffer();
    // Without this word browsers take sound in one channel.
    const sdp = offer.sdp.replace("useinbandfec=1", "useinbandfec=1;stereo=1");
    const headers = { "Content-Type": "application/sdp" };
    const answer = await fetch(this.address, { method: "POST", headers, body: sdp });
    if (answer.status !== 201) {
      const problem = await answer.json().catch(() => ({}));
      this.end(answer.status, problem.title);
      return;
    }
    this.session = new URL(answer.headers.get("Location"), this.address).href;
    const sdpAnswer = await answer.text();
    if (!this.peer) {
      this.hangUp();
      return;
    }
    // Candidates are gathered from here on, when it is known who helps to (RFC 9725 4.6).
    const iceServers = iceServersOf(answer.headers.get("Link") ?? "");
    if (iceServers.length) {
      this.peer.setConfiguration({ ...this.peer.getConfiguration(), iceServers });
    }
    await this.peer.setLocalDescription({ type: "offer", sdp });
    await this.peer?.setRemoteDescription({ type: "answer", sdp: sdpAnswer });
    if (!this.peer) return;
    // With its tracks: to a stream that was empty sound alone comes too late for Chromium to play it.
    this.video.srcObject = this.stream;
    if (answer.headers.has("X-Stream-Warning")) this.on.reordered();
  }

  changed() {
    const state = this.peer?.connectionState;
    if (state === "connected") {
      clearTimeout(this.timer);
      this.on.playing();
      this.heardAt = performance.now();
      this.watching ??= setInterval(() => this.listen(), TICK_MS);
      // A server that says goodbye (DTLS close_notify) leaves the connection "connected" until ICE
      // gives up, a quarter of a minute later.
      for (const { transport } of this.peer.getReceivers()) {
        if (transport) transport.onstatechange = () => transport.state === "closed" && this.end(undefined, LOST);
      }
    } else if (state === "failed" || state === "closed") {
      this.end(undefined, LOST);
    }
  }

  /** What was received says whether the source gives anything, also while the viewer has paused. */
  async listen() {
    const { peer } = this;
    const stats = await peer?.getStats().catch(() => undefined);
    if (!stats || peer !== this.peer) return;
    let bytes = 0;
    for (const one of stats.values()) if (one.type === "inbound-rtp") bytes += one.bytesReceived;
    if (bytes !== this.bytes) this.heardAt = performance.now();
    const isSilent = performance.now() - this.heardAt > SILENT_MS;
    if (isSilent) this.on.silent();
    else if (this.isSilent) this.on.playing();
    this.bytes = bytes;
    this.isSilent = isSilent;
  }

  hangUp() {
    if (this.session) fetch(this.session, { method: "DELETE", keepalive: true }).catch(() => {});
    this.session = undefined;
  }

  end(status, words) {
    if (!this.peer) return;
    this.destroy();
    this.on.ended(status, words);
  }

  destroy() {
    clearTimeout(this.timer);
    clearInterval(this.watching);
    const peer = this.peer;
    this.peer = undefined;
    peer?.close();
    this.hangUp();
    this.video.srcObject = null;
  }

  /** There is nothing but now. */
  goLive() {}
}
