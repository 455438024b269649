// The dialog that adds a stream.

import { html, useRef, useState } from "../../vendor/htm-preact.js";
import { exists, item, put } from "../../api.js";
import { t } from "../../i18n.js";
import { Dialog, Failure, Field } from "../../widgets.js";

/** The rule of the API; checked here because a path with `..` would never get there. */
const NAME = /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/;
const DOTS = /(^|\/)\.\.?(\/|$)/;
const legal = () => t("Letters, digits, . - _ and / between parts");

async function create(name, url) {
  if (!NAME.test(name) || DOTS.test(name)) throw new Error(t("“{name}” is no name of a stream. {legal}.", { name, legal: legal() }));
  // PUT merges: without this, the new input would replace those of the stream that has the name.
  if (await exists("streams", "name", name)) throw new Error(t("There is a stream {name} already.", { name }));
  await put(item("streams", name), { name, inputs: [{ url }] });
}

export function AddStream({ onClose }) {
  const [error, setError] = useState(null);
  const url = useRef();
  const offer = (title, value) => html`<button type="button" class="small" onClick=${() => (url.current.value = value)}>${t(title)}</button>`;
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const name = form.get("name").trim();
    try {
      await create(name, form.get("url").trim());
      onClose(name);
    } catch (failure) {
      setError(failure);
    }
  };
  return html`<${Dialog} title=${t("Add stream")} onClose=${() => onClose()}>
    <form onSubmit=${submit}>
      <${Field} label=${t("Stream name")} hint=${legal()}>
        <input name="name" required autocomplete="off" autofocus />
      <//>
      <${Field} label=${t("Source URL")} hint=${t("For one: rtsp://, rtmp://, srt://, hls:// or udp://")}>
        <input name="url" ref=${url} required autocomplete="off" placeholder="rtsp://camera/stream1" />
      <//>
      <p class="presets">${offer("I publish it: OBS, ffmpeg, an encoder", "publish://")} ${offer("A test picture", "fake://fake")}</p>
      <${Failure} error=${error} />
      <div class="bar end">
        <button type="button" class="plain" onClick=${() => onClose()}>${t("Cancel")}</button>
        <button>${t("Create")}</button>
      </div>
    </form>
  <//>`;
}
