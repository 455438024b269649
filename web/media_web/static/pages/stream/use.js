// How to use this very stream elsewhere: in a page, from a shell, in a cluster.

import { html } from "../../vendor/htm-preact.js";
import { BASE } from "../../api.js";
import { t } from "../../i18n.js";
import { CopyButton } from "../../widgets.js";
import { QrCode } from "./qr.js";
import { urlOf } from "./screen.js";

/** Within single quotes of a shell. */
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

const embed = (url) =>
  `<iframe src="${url}" width="640" height="360" allow="autoplay; fullscreen" allowfullscreen frameborder="0"></iframe>`;

function curl(stream, ui) {
  const url = `${location.origin}${BASE}/streams/${encodeURIComponent(stream.name)}`;
  const login = ui.login_required ? "-u LOGIN:PASSWORD " : "";
  const config = JSON.stringify(stream.config_on_disk || { inputs: stream.inputs?.map(({ stats, ...input }) => input) });
  return {
    read: `curl ${login}${quoted(url)}`,
    write: `curl ${login}-X PUT ${quoted(url)} -H 'Content-Type: application/json' -d ${quoted(config)}`,
    erase: `curl ${login}-X DELETE ${quoted(url)}`,
  };
}

/** Names of resources hold lower-case letters, digits, - and . only (RFC 1123). */
const resourceName = (name) => name.toLowerCase().replace(/[^a-z0-9.-]+/g, "-").replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, "") || "stream";

/** YAML 1.2 is a superset of JSON, so the specification is written as that. */
function manifest(stream) {
  // Where it runs is another cluster's own affair.
  const { name, preferred_streamer: _, ...config } = stream.config_on_disk || { name: stream.name };
  const resource = resourceName(name || stream.name);
  const spec = resource === stream.name ? config : { name: stream.name, ...config };
  return `kubectl apply -f - <<'END'
apiVersion: media.flussonic.com/v1alpha1
kind: Stream
metadata:
  name: ${resource}
spec: ${JSON.stringify(spec, null, 2).replaceAll("\n", "\n  ")}
END`;
}

/** A link for an hour, of a stream that wants signed ones: the hash is of name, address, times, secret and salt. */
const signed = (url, name) => `SECRET=…  # the one of the settings
IP=203.0.113.5  # of the viewer
START=$(date +%s); END=$((START + 3600)); SALT=$(openssl rand -hex 8)
HASH=$(printf %s ${quoted(name)}"$IP$START$END$SECRET$SALT" | sha1sum | cut -d' ' -f1)
echo ${quoted(url)}"?token=$HASH-$SALT-$END-$START"`;

const isSigned = (stream) => String(stream.on_play?.url || "").startsWith("securetoken:");

export function Use({ stream, ui }) {
  const page = urlOf(stream, "player");
  const commands = curl(stream, ui);
  const blocks = [
    page && [t("Player in a page"), embed(page)],
    page && isSigned(stream) && [t("Make a signed link"), signed(page, stream.name)],
    [t("Read it by the API"), commands.read],
    [t("Make it by the API"), commands.write],
    [t("Delete it by the API"), commands.erase],
    [t("Make it in Kubernetes"), manifest(stream)],
  ].filter(Boolean);
  return html`${page && html`<div class="snippet"><h2>${t("Watch on a phone")}</h2><${QrCode} url=${page} /></div>`}
  ${blocks.map(([title, text]) => html`<div class="snippet" key=${title}>
    <div class="bar"><h2>${title}</h2><${CopyButton} text=${text} label=${title} /></div>
    <pre tabindex="0">${text}</pre>
  </div>`)}`;
}
