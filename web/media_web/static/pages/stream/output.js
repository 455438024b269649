// Where viewers find a stream.

import { html } from "../../vendor/htm-preact.js";
import { t } from "../../i18n.js";
import { CopyButton } from "../../widgets.js";

export function Output({ stream }) {
  const urls = stream.stats?.play_urls || [];
  if (!urls.length) return html`<p class="empty">${t("Play URLs appear once a streamer runs the stream.")}</p>`;
  return html`<table class="list urls">
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
