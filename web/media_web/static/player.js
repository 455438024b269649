// <stream-player src="http://…/index.ll.m3u8" fallback="http://…/index.m3u8">: plays HLS and says
// in words what is wrong when it cannot.

/** hls.js gives up on fatal errors; a live stream that returns must be picked up again. */
const RETRY_MS = 2000;

const LIBRARY = "/ui/static/vendor/hls.min.js";
let loading;

/** hls.js, asked for once and only where something is played; undefined where it cannot be had. */
const library = () =>
  (loading ??= new Promise((done) => {
    const script = document.createElement("script");
    script.src = LIBRARY;
    script.onload = () => done(globalThis.Hls);
    script.onerror = () => {
      loading = undefined;
      done(undefined);
    };
    document.head.append(script);
  }));

class StreamPlayer extends HTMLElement {
  static observedAttributes = ["src"];

  connectedCallback() {
    if (!this.video) {
      this.video = document.createElement("video");
      Object.assign(this.video, { controls: true, muted: true, autoplay: true, playsInline: true });
      this.note = document.createElement("p");
      this.note.setAttribute("role", "status");
      this.append(this.video, this.note);
    }
    this.start();
  }

  disconnectedCallback() {
    this.stop();
  }

  attributeChangedCallback(_name, before, after) {
    if (this.video && before !== after) this.start();
  }

  async start() {
    this.stop();
    const source = this.getAttribute("src");
    if (!source) return;
    const Hls = await library();
    if (!this.isConnected || source !== this.getAttribute("src") || this.hls) return;
    if (!Hls?.isSupported()) {
      this.video.src = this.getAttribute("fallback") || source;
      this.video.onerror = () => this.say("This browser cannot play the stream.");
      return;
    }
    this.hls = new Hls({ lowLatencyMode: true, liveDurationInfinity: true });
    this.hls.on(Hls.Events.ERROR, (_event, data) => this.onError(data));
    this.hls.on(Hls.Events.FRAG_BUFFERED, () => this.say(""));
    this.hls.loadSource(source);
    this.hls.attachMedia(this.video);
    this.video.play()?.catch(() => {});
  }

  onError(data) {
    if (!data.fatal) return;
    if (data.details === Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR) {
      this.say("This browser cannot decode the codecs of the stream.");
      return;
    }
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && !this.recovered) {
      this.recovered = true;
      this.hls.recoverMediaError();
      return;
    }
    const status = data.response?.code;
    this.say(status ? `The streamer answers ${status}; trying again.` : "No stream yet; trying again.");
    this.retry = setTimeout(() => this.start(), RETRY_MS);
  }

  say(text) {
    this.note.textContent = text;
  }

  stop() {
    clearTimeout(this.retry);
    this.recovered = false;
    this.hls?.destroy();
    this.hls = undefined;
    this.video?.removeAttribute("src");
  }
}

customElements.define("stream-player", StreamPlayer);
