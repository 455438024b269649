// Where viewers find a stream.

import { html } from "../../vendor/htm-preact.js";
import { link } from "../../hooks.js";
import { t } from "../../i18n.js";
import { CopyButton } from "../../widgets.js";

/** Said where these addresses alone do not play. */
function Needs({ stream }) {
  const url = stream.on_play?.url;
  if (url === false) return html`<p class="banner">${t("Nobody may watch this stream: its settings say so.")}</p>`;
  if (!url || url === true) return null;
  return html`<p class="banner">${t("Not for everybody: viewers need what the settings ask for, such as ?token=… in these addresses.")}
    <a href="${link("streams", stream.name)}?tab=${url.startsWith("securetoken:") ? "use" : "settings&group=access"}">${url.startsWith("securetoken:") ? t("How a link is signed") : t("Who may watch")}</a></p>`;
}

export function Output({ stream }) {
  const urls = stream.stats?.play_urls || [];
  if (!urls.length) return html`<p class="empty">${t("Play URLs appear once a streamer runs the stream.")}</p>`;
  return html`<${Needs} stream=${stream} />
  <table class="list urls">
    <thead><tr><th>${t("Protocol")}</th><th>${t("URL")}</th><th><span class="unseen">${t("Actions")}</span></th></tr></thead>
    <tbody>
      ${urls.map(
        ({ title, url }) => html`<tr key=${title}>
          <td>${title}</td>
          <td class="url"><a href=${url} target="_blank" rel="noopener">${url}</a></td>
          <td class="number"><${CopyButton} text=${url} label=${title} /></td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}
