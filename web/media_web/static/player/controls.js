// What lies over a <video>: a note, quality and sound, the latency, the way back to now, and a picture with
// words in place of a frozen frame.

const TICK_MS = 1000;
/** From so many seconds behind on the way back to now is offered. */
const LATE_SECONDS = 6;

const make = (name, properties = {}) => Object.assign(document.createElement(name), properties);

export class Controls {
  /** `words(text)` translates; `place` holds the video and what is over it. */
  constructor(place, video, words = (text) => text) {
    this.words = words;
    this.video = video;
    this.note = make("p", { className: "player-note" });
    this.note.setAttribute("role", "status");
    this.still = make("canvas", { className: "player-still", hidden: true });
    this.onlySound = make("p", { className: "player-sound", textContent: words("Sound only"), hidden: true });
    this.bar = make("div", { className: "player-bar" });
    this.quality = this.menu("Quality", (way, value) => (way.quality = value));
    this.sound = this.menu("Sound", (way, value) => (way.sound = value));
    this.latency = make("span", { className: "player-latency" });
    // What is wrong and does not stop the picture: told to who asks.
    this.warnings = new Map();
    this.sign = make("button", { type: "button", textContent: "!", hidden: true, className: "player-sign" });
    this.hints = make("ul", { className: "player-hints", hidden: true });
    this.hints.id = "player-hints";
    this.sign.setAttribute("aria-label", words("Problems"));
    this.sign.setAttribute("aria-controls", this.hints.id);
    this.sign.setAttribute("aria-expanded", "false");
    this.sign.onclick = () => {
      this.hints.hidden = !this.hints.hidden;
      this.sign.setAttribute("aria-expanded", String(!this.hints.hidden));
    };
    this.still.setAttribute("aria-hidden", "true");
    this.live = make("button", { type: "button", textContent: words("Back to live"), hidden: true });
    this.bar.append(this.latency, this.live, this.sound, this.quality, this.sign);
    place.append(this.onlySound, this.still, this.note, this.bar, this.hints);
    this.onData = () => (video.controls = true);
    video.addEventListener("loadedmetadata", this.onData);
    this.live.onclick = () => this.player?.goLive();
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  /** What a player calls. */
  get events() {
    return {
      say: (text, values) => this.say(text, values),
      away: (text) => this.away(text),
      changed: () => this.changed(),
      warn: (text, values) => this.warn(text, values),
    };
  }

  /** The text with `values` in the places of `{name}`. */
  filled(text, values = {}) {
    return this.words(text).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  }

  /** One of each kind and track: the newest. */
  warn(text, values = {}) {
    this.warnings.set(`${text} ${values.track}`, this.filled(text, values));
    this.hints.replaceChildren(...[...this.warnings.values()].map((textContent) => make("li", { textContent })));
    this.sign.hidden = false;
    this.sign.title = [...this.warnings.values()].join("\n");
  }

  /** `values` takes the places of `{name}` in the text. */
  say(text, values = {}) {
    if (this.isAway) return;
    this.note.textContent = this.filled(text, values);
    // Without anything to control the words are what there is to see.
    const isBlank = Boolean(text) && !this.video.readyState;
    this.note.classList.toggle("player-blank", isBlank);
    this.video.controls = !isBlank;
  }

  away(text) {
    if (Boolean(text) === Boolean(this.isAway)) return;
    this.isAway = Boolean(text);
    this.note.textContent = this.words(text);
    this.note.classList.toggle("player-away", this.isAway);
    if (this.isAway) this.freeze();
    this.still.hidden = !this.isAway;
  }

  /** The last picture, dimmed: nobody takes it for one that moves. */
  freeze() {
    const { videoWidth, videoHeight } = this.video;
    if (!videoWidth) return;
    Object.assign(this.still, { width: videoWidth, height: videoHeight });
    this.still.getContext("2d").drawImage(this.video, 0, 0);
  }

  /** A choice that `take(way, number)` makes; hidden where there is nothing to choose. */
  menu(name, take) {
    const menu = make("select", { hidden: true, title: this.words(name) });
    menu.setAttribute("aria-label", this.words(name));
    menu.onchange = () => this.player?.way && take(this.player.way, Number(menu.value));
    return menu;
  }

  changed() {
    const { way } = this.player ?? {};
    const found = way?.qualities ?? [];
    const automatic = { value: -1, title: this.words("Auto") };
    this.offer(this.quality, found.length ? [automatic, ...found] : [], way?.quality);
    this.offer(this.sound, way?.sounds ?? [], way?.sound);
  }

  /** `choices` [{value, title}] */
  offer(menu, choices, chosen) {
    menu.hidden = choices.length < 2;
    menu.replaceChildren(...choices.map(({ value, title }) => new Option(title, value)));
    menu.value = chosen;
  }

  tick() {
    const { readyState, videoWidth } = this.video;
    this.onlySound.hidden = readyState < 2 || videoWidth > 0 || Boolean(this.isAway);
    const seconds = this.player?.latency;
    const known = seconds !== undefined && !this.isAway;
    this.latency.textContent = known ? `${seconds.toFixed(1)} s` : "";
    this.latency.title = known ? this.words("From the camera to the screen") : "";
    this.live.hidden = !(known && seconds > LATE_SECONDS);
  }

  destroy() {
    clearInterval(this.timer);
    this.video.removeEventListener("loadedmetadata", this.onData);
    for (const element of [this.onlySound, this.note, this.still, this.bar, this.hints]) element.remove();
  }
}
