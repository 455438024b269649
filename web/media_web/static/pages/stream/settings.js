// The settings of a stream as a form.

import { html, useState } from "../../vendor/htm-preact.js";
import { item, put } from "../../api.js";
import { usePolled } from "../../hooks.js";
import { t } from "../../i18n.js";
import { Failure, Field } from "../../widgets.js";
import { SettingsForm } from "../../forms/form.js";

export function Settings({ stream, ui, fixed, route, onDone }) {
  return html`${ui.product === "central" && !fixed && html`<${Preferred} stream=${stream} onDone=${onDone} />`}
    <${SettingsForm} path=${item("streams", stream.name)} wanted=${route.query.get("group")} fixed=${fixed} effective=${stream}
      saved=${(!fixed && stream.config_on_disk) || stream} onSaved=${onDone} />`;
}

function Preferred({ stream, onDone }) {
  const { data } = usePolled("/streamers?limit=1000&select=hostname", 10000);
  const [error, setError] = useState(null);
  const choose = async (event) => {
    try {
      await put(item("streams", stream.name), { preferred_streamer: event.target.value || null });
      setError(null);
      onDone();
    } catch (failure) {
      setError(failure);
    }
  };
  const preferred = stream.preferred_streamer || "";
  const names = new Set([...(data?.streamers || []).map((streamer) => streamer.hostname), preferred]);
  names.delete("");
  return html`<${Field} label=${t("Preferred streamer")} hint=${t("Used while it is healthy and has room")}>
      <select onChange=${choose}>
        <option value="" selected=${!preferred}>${t("Any")}</option>
        ${[...names].map((name) => html`<option key=${name} value=${name} selected=${name === preferred}>${name}</option>`)}
      </select>
    <//>
    <${Failure} error=${error} />`;
}
