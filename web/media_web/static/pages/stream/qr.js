// An address as a picture that a phone reads. The library comes with the first one that is shown.

import { html, useEffect, useState } from "../../vendor/htm-preact.js";
import { t } from "../../i18n.js";

const QUIET = 4; // modules of nothing on each side (ISO/IEC 18004 section 6.3.8)
const LOOPBACK = /^(localhost|127\..*|\[::1\])$/;

/** A path of squares, one for each dark module. */
function path(code) {
  const squares = [];
  for (let y = 0; y < code.size; y += 1) {
    for (let x = 0; x < code.size; x += 1) if (code.get(x, y)) squares.push(`M${x} ${y}h1v1h-1z`);
  }
  return squares.join("");
}

export function QrCode({ url }) {
  const [generate, setGenerate] = useState(null);
  useEffect(() => {
    let stopped = false;
    import("../../vendor/lean-qr.js").then((library) => !stopped && setGenerate(() => library.generate), () => {});
    return () => {
      stopped = true;
    };
  }, []);
  if (!generate) return null;
  const code = generate(url);
  const side = code.size + 2 * QUIET;
  const isHere = LOOPBACK.test(new URL(url).hostname);
  return html`<figure class="qr">
    <svg viewBox="${-QUIET} ${-QUIET} ${side} ${side}" role="img" aria-label=${t("QR code of {url}", { url })}
      shape-rendering="crispEdges"><path d=${path(code)} /></svg>
    <figcaption><a href=${url} target="_blank" rel="noopener">${url}</a>
      ${isHere && html`<small>${t("This address leads to this machine only: a phone needs the server's name or address.")}</small>`}
    </figcaption>
  </figure>`;
}
