// What comes in: rate, tracks, and what is wrong with them in words.

import { html } from "../../vendor/htm-preact.js";
import { t } from "../../i18n.js";
import { masked } from "../../redact.js";
import { bytes, kbit } from "../../widgets.js";

/** Segments end at key frames: with longer GOPs latency and the time to the first picture grow. */
const LONG_GOP_SECONDS = 4;

/** How a browser is asked whether it decodes a codec (RFC 6381). What is not here none decodes. */
const TYPES = {
  h264: 'video/mp4; codecs="avc1.64001f"', hevc: 'video/mp4; codecs="hvc1.1.6.L93.B0"', av1: 'video/mp4; codecs="av01.0.04M.08"',
  vp8: 'video/mp4; codecs="vp08.00.10.08"', vp9: 'video/mp4; codecs="vp09.00.10.08"', aac: 'audio/mp4; codecs="mp4a.40.2"', mp3: 'audio/mp4; codecs="mp4a.6B"',
  opus: 'audio/mp4; codecs="opus"', ac3: 'audio/mp4; codecs="ac-3"', eac3: 'audio/mp4; codecs="ec-3"',
};

/** Browsers that are nowhere without these: said even where this one has them. */
const RARE = new Set(["hevc", "ac3", "eac3", "mp3"]);

const plays = (codec) => Boolean(TYPES[codec]) && Boolean(globalThis.MediaSource?.isTypeSupported(TYPES[codec]));

const gopSeconds = (track) => (track.fps && (track.avg_gop || track.gop_size) ? (track.avg_gop || track.gop_size) / track.fps : null);

/** What people should know of the tracks, as [text, is it serious]. */
export function findings(stream) {
  const stats = stream.stats || {};
  const tracks = stats.media_info?.tracks || [];
  const found = [];
  for (const track of tracks) {
    const gop = gopSeconds(track);
    if (gop > LONG_GOP_SECONDS) {
      found.push([t("{track}: {seconds} s between key frames. Segments get as long; set the encoder to 2 s.", { track: track.track_id, seconds: gop.toFixed(1) }), true]);
    }
    const codec = track.codec || "";
    if (["video", "audio"].includes(track.content) && codec && !plays(codec)) {
      found.push([t("{track}: this browser does not decode {codec}.", { track: track.track_id, codec: codec.toUpperCase() }), true]);
    } else if (RARE.has(codec)) {
      found.push([t("{track}: some browsers do not decode {codec}.", { track: track.track_id, codec: codec.toUpperCase() }), false]);
    }
  }
  if (stats.alive && tracks.length && !tracks.some((track) => track.content === "video")) found.push([t("There is no video."), false]);
  return found;
}

export function describe(track) {
  const parts = [track.codec?.toUpperCase()];
  if (track.profile) parts.push(`${track.profile}${track.level ? ` ${track.level}` : ""}`);
  if (track.width) parts.push(`${track.width}×${track.height}`);
  if (track.fps) parts.push(t("{fps} fps", { fps: Math.round(track.fps * 100) / 100 }));
  if (track.sample_rate) parts.push(t("{rate} kHz", { rate: track.sample_rate / 1000 }), t("{count} ch", { count: track.channels }));
  if (track.bitrate) parts.push(kbit(track.bitrate));
  return parts.filter(Boolean).join(", ");
}

export function Incoming({ stream }) {
  const stats = stream.stats || {};
  const input = stats.input || {};
  const tracks = stats.media_info?.tracks || [];
  const wrong = (count) => (count > 0 ? "failure" : "");
  return html`<h2>${t("What comes in")}</h2>
    <dl>
      <dt>${t("Source")}</dt><dd class="url">${masked(stats.url || stream.inputs?.[0]?.url) || "–"}</dd>
      <dt>${t("Bit rate")}</dt><dd>${stats.alive ? t("{media} of media, {wire} received", { media: kbit(stats.bitrate), wire: kbit(stats.input_bitrate) }) : "–"}</dd>
      <dt>${t("Received")}</dt><dd>${bytes(stats.bytes_in)}</dd>
      <dt>${t("Errors")}</dt><dd class=${wrong(input.errors)}>${input.errors ?? 0}</dd>
      <dt>${t("Lost packets")}</dt><dd class=${wrong(input.errors_lost_packets)}>${input.errors_lost_packets ?? 0}</dd>
      ${input.srt && html`<dt>SRT</dt><dd>${t("round trip {rtt} ms, {again} sent again", { rtt: input.srt.rtt ?? "–", again: input.srt.retransmitted_packets ?? 0 })}</dd>`}
      <dt>${t("Reconnects")}</dt><dd>${input.retries ?? 0}</dd>
      ${tracks.map((track) => html`<dt key=${track.track_id}>${t("Track {id}", { id: track.track_id })}</dt><dd>${describe(track)}</dd>
        ${gopSeconds(track) && html`<dt>${t("Key frame every")}</dt><dd>${t("{seconds} s", { seconds: gopSeconds(track).toFixed(1) })}</dd>`}`)}
    </dl>
    ${findings(stream).map(([text, serious]) => html`<p key=${text} class=${serious ? "banner" : "hint"}>${text}</p>`)}`;
}
