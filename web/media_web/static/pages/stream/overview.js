// What a stream does now: the player, its bit rate, and the figures.

import { html } from "../../vendor/htm-preact.js";
import { bytes, kbit, uptime } from "../../widgets.js";
import { BitrateChart } from "../../chart.js";
import "../../player.js";

export function Overview({ stream }) {
  const stats = stream.stats || {};
  return html`<div class="overview">
    <div>
      <${Screen} stream=${stream} />
      <h2>Bit rate, Mbit/s</h2>
      <${BitrateChart} value=${stats.alive ? stats.bitrate : null} />
    </div>
    <dl>
      <dt>Name</dt><dd>${stream.name}</dd>
      <dt>Streamer</dt><dd>${stream.layout?.ingest || stats.running_on?.join(", ") || "–"}</dd>
      <dt>Source</dt><dd class="url">${stats.url || stream.inputs?.[0]?.url || "–"}</dd>
      ${stats.source_error && html`<dt>Problem</dt><dd class="failure">${stats.source_error}</dd>`}
      <dt>Up</dt><dd>${uptime(stats)}</dd>
      <dt>Bit rate</dt><dd>${stats.alive ? kbit(stats.bitrate) : "–"}</dd>
      <dt>Received</dt><dd>${bytes(stats.bytes_in)}</dd>
      <dt>Sent</dt><dd>${bytes(stats.bytes_out)}</dd>
      <dt>Viewers</dt><dd>${stats.online_clients ?? stats.client_count ?? 0}</dd>
      ${(stats.media_info?.tracks || []).map((track) => html`<dt>Track ${track.track_id}</dt><dd>${describe(track)}</dd>`)}
    </dl>
  </div>`;
}

/** Play URL by the short name of its form, as the server lists them. */
const urlOf = (stream, form) => stream.stats?.play_urls?.find((entry) => entry.form === form)?.url;

/** The player, while there is something to play: a stream on demand starts by being played. */
function Screen({ stream }) {
  const hls = urlOf(stream, "hls");
  const low = urlOf(stream, "llhls");
  const blank = (text) => html`<div class="screen"><p>${text}</p></div>`;
  if (stream.disabled) return blank("The stream is disabled.");
  if (!stream.stats?.play_urls) return blank("No streamer runs this stream yet.");
  if (!hls && !low) return blank("HLS, which the player needs, is switched off for this stream.");
  if (stream.stats.alive || stream.static === false) {
    return html`<stream-player src=${low || hls} fallback=${hls || low}></stream-player>`;
  }
  return blank(stream.stats.source_error || waitsFor(stream));
}

function waitsFor(stream) {
  const isPublished = (stream.inputs || []).some((input) => input.url?.startsWith("publish:"));
  if (!isPublished) return "Waiting for the source.";
  const urls = stream.stats.publish_urls || [];
  const url = (urls.find((entry) => entry.server) || urls[0])?.url;
  return `Waiting for a publisher.${url ? ` Publish with OBS or ffmpeg to ${url}` : ""}`;
}

function describe(track) {
  const parts = [track.codec?.toUpperCase()];
  if (track.width) parts.push(`${track.width}×${track.height}`);
  if (track.fps) parts.push(`${Math.round(track.fps * 100) / 100} fps`);
  if (track.sample_rate) parts.push(`${track.sample_rate / 1000} kHz`, `${track.channels} ch`);
  if (track.bitrate) parts.push(kbit(track.bitrate));
  return parts.filter(Boolean).join(", ");
}
