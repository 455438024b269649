// <stream-player sources='[{"proto": "llhls", "url": "…"}, …]'>: plays a live stream by the first way
// that works, and says in words what is wrong when none does. Its property `leave` is that of LivePlayer.

import { Controls } from "./player/controls.js";
import { LivePlayer } from "./player/live.js";
import { t } from "./i18n.js";

class StreamPlayer extends HTMLElement {
  static observedAttributes = ["sources"];
  leave = undefined;

  connectedCallback() {
    if (!this.video) {
      this.video = document.createElement("video");
      Object.assign(this.video, { controls: true, muted: true, autoplay: true, playsInline: true });
      this.append(this.video);
    }
    this.start();
  }

  disconnectedCallback() {
    this.stop();
  }

  attributeChangedCallback(_name, before, after) {
    if (this.video && before !== after) this.start();
  }

  start() {
    this.stop();
    const sources = JSON.parse(this.getAttribute("sources") || "[]");
    if (!sources.length) return;
    this.over = new Controls(this, this.video, t);
    this.over.player = this.player = new LivePlayer(this.video, sources, this.over.events, this.leave);
  }

  stop() {
    this.player?.destroy();
    this.over?.destroy();
    this.player = this.over = undefined;
  }
}

customElements.define("stream-player", StreamPlayer);
