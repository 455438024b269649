// The transcoder of a stream: a ladder of pictures, and the audio.

import { html } from "../vendor/htm-preact.js";
import { t } from "../i18n.js";
import { Quantity } from "./controls.js";
import { withValue } from "./draft.js";
import { ObjectFields } from "./fields.js";
import { labelled } from "./labels.js";
import { fieldsOf } from "./schema.js";

/** Height in pixels and bit rates that look well in H.264 at 25 to 30 frames a second. */
const step = (height, kbit) => ({ size: { width: -1, height }, bitrate: kbit * 1000 });
const AUDIO = { codec: "aac", bitrate: 128_000 };
const PRESETS = {
  "1080p, 720p, 480p, 360p": [step(1080, 4500), step(720, 2500), step(480, 1200), step(360, 700)],
  "720p, 480p, 360p": [step(720, 2500), step(480, 1200), step(360, 700)],
  "720p": [step(720, 2500)],
  "360p": [step(360, 700)],
};

const numbered = (steps) => steps.map((one, at) => ({ ...one, track: at + 1 }));

export function Ladder({ value, onChange, path, context }) {
  const steps = value.video || [];
  const set = (video) => onChange(withValue(value, "video", video.length ? numbered(video) : undefined));
  const choose = (name) => onChange({ ...value, video: numbered(PRESETS[name]), audio: value.audio || AUDIO });
  return html`<div class="ladder">
    <p class="presets">${t("Presets:")} ${Object.keys(PRESETS).map((name) => html`<button type="button" key=${name} class="small" onClick=${() => choose(name)}>${name}</button> `)}</p>
    ${steps.map((one, at) => html`<${Step} key=${at} at=${at} value=${one} path="${path}/video/${at}" context=${context}
      onChange=${(next) => set(steps.with(at, next))} onRemove=${() => set(steps.filter((_, index) => index !== at))} />`)}
    <button type="button" class="small" onClick=${() => set([...steps, step(480, 1200)])}>${t("Add a picture size")}</button>
    <${Audio} value=${value.audio} path="${path}/audio" context=${context} onChange=${(next) => onChange(withValue(value, "audio", next))} />
    <details class="further" open=${value.global !== undefined || value.decoder !== undefined || value.tracks !== undefined}>
      <summary>${t("Hardware and further settings")}</summary>
      <${ObjectFields} model="TranscoderSpec" without=${["video", "audio"]} value=${value} onChange=${onChange} path=${path} context=${context} />
    </details>
  </div>`;
}

/** One picture size: what is chosen most, and the rest one click away. */
function Step({ at, value, onChange, onRemove, path, context }) {
  const fields = Object.fromEntries(fieldsOf(context.all, "VideoOptions").map((field) => [field.name, labelled("VideoOptions", field)]));
  const height = { name: "height", kind: "number", label: t("Height of step {number}", { number: at + 1 }), help: "", unset: {} };
  const bitrate = { ...fields.bitrate.open, name: "bitrate", label: t("Bit rate of step {number}", { number: at + 1 }), help: "", unset: {} };
  const setHeight = (next) => onChange(withValue(value, "size", next === undefined ? undefined : { width: -1, ...value.size, height: next }));
  const wrong = [...context.errors].find(([pointer]) => pointer.startsWith(`${path}/`))?.[1];
  return html`<fieldset class="entry step">
    <legend>${t("Step {number}", { number: at + 1 })}</legend>
    <span class="moves"><button type="button" class="small danger" aria-label=${t("Remove step {number}", { number: at + 1 })} onClick=${onRemove}>${t("Remove")}</button></span>
    <div class="grid">
      <div class="field"><label for="${path}-height">${height.label}</label><${Quantity} field=${height} id="${path}-height" value=${value.size?.height} onChange=${setHeight} /></div>
      <div class="field"><label for="${path}-rate">${bitrate.label}</label>
        <${Quantity} field=${bitrate} id="${path}-rate" value=${value.bitrate} onChange=${(next) => onChange(withValue(value, "bitrate", next))} /></div>
    </div>
    ${wrong && html`<b class="failure">${wrong}</b>`}
    <details class="further"><summary>${t("Codec and further settings")}</summary>
      <${ObjectFields} model="VideoOptions" without=${["track", "bitrate"]} value=${value} onChange=${onChange} path=${path} context=${context} />
    </details>
  </fieldset>`;
}

function Audio({ value, onChange, path, context }) {
  const turn = (event) => onChange(event.target.checked ? AUDIO : undefined);
  return html`<fieldset class="entry">
    <legend><label class="check"><input type="checkbox" checked=${value !== undefined} onChange=${turn} />${t("Transcode the audio")}</label></legend>
    ${value !== undefined && html`<${ObjectFields} model="AudioOptions" value=${value} onChange=${onChange} path=${path} context=${context} />`}
  </fieldset>`;
}
