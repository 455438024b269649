// How settings are called and grouped for people. What is not named here keeps the API's name and
// goes to the end, so a setting that is new in the API is in the form without a line here.

/** Groups of a stream's settings, in order. */
export const GROUPS = [
  { key: "general", title: "General", fields: ["title", "comment", "static", "template", "labels", "provider", "position"] },
  { key: "source", title: "Source", fields: ["source_timeout", "clients_timeout", "retry_limit", "max_retry_timeout",
    "recheck_secondary_inputs_interval", "frames_timeout", "audio_timeout", "video_timeout", "backup", "cluster_ingest"] },
  { key: "publishing", title: "Publishing", fields: ["on_publish", "password", "srt_publish", "srt2_publish", "srt", "srt2"] },
  { key: "playback", title: "Playback", fields: ["protocols", "segment_duration", "segment_count", "chunk_duration", "prepush",
    "thumbnails", "add_audio_only", "dash_update_period", "url_prefix", "playback_headers", "webrtc_abr", "srt_play", "srt2_play"] },
  { key: "access", title: "Access", fields: ["on_play", "drm"] },
  { key: "recording", title: "Recording", fields: ["dvr", "cache"] },
  { key: "transcoding", title: "Transcoding", fields: ["transcoder"] },
  { key: "push", title: "Push", fields: ["pushes"] },
  { key: "advanced", title: "Advanced", fields: ["groups", "namespace", "meta", "mpegts_pids", "mpegts_ac3", "pulse_off"] },
];

/** Have a place of their own on the page, or are not for people. */
export const ELSEWHERE = new Set(["name", "stats", "inputs", "config_on_disk", "named_by", "disabled", "preferred_streamer"]);

const STREAM = {
  static: { label: "Runs", words: { true: "Always", false: "While somebody watches" }, help: "A stream that waits for viewers starts with the first of them." },
  title: { label: "Title", help: "Shown to viewers in place of the name." },
  comment: { label: "Comment", help: "For administrators only." },
  template: { label: "Template", help: "Gives what is not set here." },
  source_timeout: { label: "Give up the source after", words: { false: "Never" }, help: "Without frames for so long, the next input is tried." },
  clients_timeout: { label: "Stop after the last viewer", words: { true: "After a minute", false: "Never" }, help: "Of a stream that runs while somebody watches." },
  retry_limit: { label: "Attempts to connect" },
  max_retry_timeout: { label: "Longest pause between attempts" },
  recheck_secondary_inputs_interval: { label: "Look at unused inputs every" },
  frames_timeout: { label: "Tell of missing frames after" },
  audio_timeout: { label: "Give up without audio after" },
  video_timeout: { label: "Give up without video after" },
  backup: { label: "Backup file", help: "Shown while no input gives frames." },
  cluster_ingest: { label: "Captured at one streamer only" },
  on_publish: { label: "Who may publish" },
  password: { label: "Password for publishers" },
  srt: { label: "SRT port", help: "A port of this stream, to play and publish." },
  srt2: { label: "Second SRT port" },
  srt_publish: { label: "SRT port to publish" },
  srt2_publish: { label: "Second SRT port to publish" },
  srt_play: { label: "SRT port to play" },
  srt2_play: { label: "Second SRT port to play" },
  protocols: { label: "Protocols" },
  segment_duration: { label: "Segment length", help: "A segment ends at a key frame: shorter than the GOP it cannot be." },
  segment_count: { label: "Segments in the playlist" },
  chunk_duration: { label: "LL-HLS part length" },
  prepush: { label: "Start with", words: { true: "The last key frame", false: "The next key frame" }, help: "What a new viewer is sent at once." },
  thumbnails: { label: "Pictures" },
  add_audio_only: { label: "Audio-only variant in HLS" },
  dash_update_period: { label: "DASH players ask again after" },
  url_prefix: { label: "Prefix of segment addresses", words: { false: "None, also not that of the server" } },
  playback_headers: { label: "HTTP headers of answers" },
  on_play: { label: "Who may watch" },
  drm: { label: "Encryption (DRM)" },
  webrtc_abr: { label: "Adaptive bit rate of WebRTC" },
  dvr: { label: "Record this stream" },
  cache: { label: "Cache of segments recorded elsewhere" },
  transcoder: { label: "Transcode" },
  pushes: { label: "Push to", entry: "Target" },
  mpegts_pids: { label: "PIDs of MPEG-TS" },
  mpegts_ac3: { label: "AC-3 in MPEG-TS" },
  pulse_off: { label: "Keep no history" },
  meta: { label: "Free keys and values" },
};

const MODELS = {
  StreamConfig: STREAM,
  BackupConfig: { file: { label: "File", example: "movies/pause.mp4" } },
  StreamDvrSpec: {
    root: { label: "Directory", example: "/storage" }, reference: { label: "Storage of the server" },
    expiration: { label: "Keep for" }, storage_limit: { label: "At most" }, disk_usage_limit: { label: "Disk may be full to" },
    dvr_offline: { label: "Pause recording" }, keep_locks: { label: "Locked parts outlive the limits" },
  },
  PushConfig: { url: { label: "Address", example: "rtmp://server/app/key" }, disabled: { label: "Switched off" },
    retry_timeout: { label: "Pause between attempts" }, retry_limit: { label: "Attempts until it is given up" } },
  InputConfig: { url: { label: "URL" }, source_timeout: { label: "Give up after", words: { false: "Never" } },
    priority: { label: "Priority" }, connect_timeout: { label: "Connect within" }, user_agent: { label: "User-Agent" },
    headers: { label: "HTTP headers" }, max_bitrate: { label: "Refuse above" }, rtp: { label: "RTP", words: { udp: "By UDP" } } },
  AuthSpec: { max_sessions: { label: "Sessions of one user" }, domains: { label: "Sites that may embed the player" },
    allowed_countries: { label: "Only from these countries" }, disallowed_countries: { label: "Not from these countries" },
    session_keys: { label: "What makes a session" }, soft_limitation: { label: "Cut late" }, extra: { label: "Parameters for the backend" } },
  ThumbnailsSpec: { enabled: { label: "Make pictures", words: { true: "Always", false: "No" } }, url: { label: "Take pictures from" } },
  VideoOptions: { fps: { label: "Frames per second" }, gop: { label: "GOP, frames" }, size: { label: "Picture size" } },
  TranscoderGlobal: { hw: { label: "Hardware", words: { cpu: "CPU", nvenc: "NVIDIA (NVENC)", qsv: "Intel Quick Sync" } }, gop: { label: "GOP of all tracks, frames" } },
};

/** Shown at once; what else a model has is one click away. */
const MAIN = {
  InputConfig: ["comment", "priority", "source_timeout"],
  PushConfig: ["disabled", "comment"],
  AuthSpec: ["max_sessions", "domains"],
  StreamDvrSpec: ["root", "reference", "expiration", "storage_limit", "disk_usage_limit", "dvr_offline", "keep_locks"],
  TranscoderGlobal: ["hw", "gop"],
  AudioOptions: ["codec", "bitrate", "sample_rate", "channels"],
};

/** segment_count -> Segment count */
const spoken = (name) => name[0].toUpperCase() + name.slice(1).replaceAll("_", " ");

export const labelled = (model, field) => ({ ...field, label: spoken(field.name), ...MODELS[model]?.[field.name] });

/** [at once, further] of a model's fields. */
export function split(model, fields) {
  const main = MAIN[model];
  if (!main) return [fields, []];
  const first = main.map((name) => fields.find((field) => field.name === name)).filter(Boolean);
  return [first, fields.filter((field) => !first.includes(field))];
}
