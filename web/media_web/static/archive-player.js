// <archive-player src="http://…/archive-FROM-now.fmp4.m3u8">: plays what is recorded from its start on,
// and on into the present. Its event `moment` tells in Unix seconds what is shown. Its property `leave`
// is that of LivePlayer.

import { t } from "./i18n.js";
import { withToken } from "./play-token.js";
import { library } from "./player/hls.js";

const TELL_MS = 500;

class ArchivePlayer extends HTMLElement {
  static observedAttributes = ["src"];
  leave = undefined;

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
    const address = withToken(source, this.leave?.needed ? await this.leave.ask() : "");
    if (!this.isConnected || source !== this.getAttribute("src") || this.hls) return;
    if (!Hls) {
      this.video.src = address;
      return;
    }
    // A list that grows is one of the present for hls.js: it would begin at its end.
    this.hls = new Hls({ startPosition: 0, backBufferLength: 60 });
    this.hls.on(Hls.Events.ERROR, (_event, data) => this.onError(data));
    this.hls.on(Hls.Events.FRAG_BUFFERED, () => this.say(""));
    this.hls.loadSource(address);
    this.hls.attachMedia(this.video);
    this.video.play()?.catch(() => {});
    this.timer = setInterval(() => this.tell(), TELL_MS);
  }

  tell() {
    const shown = this.hls?.playingDate;
    if (!shown || this.video.paused) return;
    this.dispatchEvent(new CustomEvent("moment", { detail: shown.getTime() / 1000 }));
  }

  onError(data) {
    if (!data.fatal) return;
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && !this.recovered) {
      this.recovered = true;
      this.hls.recoverMediaError();
      return;
    }
    const status = data.response?.code;
    this.say(status === 404 ? t("Nothing is recorded there.") : status ? t("The streamer answers {status}.", { status }) : t("The streamer does not answer."));
  }

  say(text) {
    this.note.textContent = text;
  }

  stop() {
    clearInterval(this.timer);
    this.recovered = false;
    this.hls?.destroy();
    this.hls = undefined;
    this.video?.removeAttribute("src");
  }
}

customElements.define("archive-player", ArchivePlayer);
