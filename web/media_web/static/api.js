// The server's REST API: one place that knows paths, credentials and the shape of errors.

import { t } from "./i18n.js";

export const BASE = "/streamer/api/v3";
const KEY = "media.credentials";

export class ApiError extends Error {
  /**
   * `status` is that of HTTP, 0 without an answer; `code` is the server's word for programs;
   * `fields` says by JSON pointer which value is wrong and why.
   */
  constructor(status, message, code, fields = new Map()) {
    super(message);
    this.status = status;
    this.code = code;
    this.fields = fields;
  }
}

/** Sent to the window when the server refuses the credentials: the page must ask for others. */
export const LOGIN_REFUSED = "loginrefused";
const LOGIN_CODES = new Set(["authorization_required", "authorization_failed"]);

export const credentials = {
  get: () => sessionStorage.getItem(KEY),
  set: (login, password) => {
    const bytes = new TextEncoder().encode(`${login}:${password}`);
    sessionStorage.setItem(KEY, btoa(String.fromCharCode(...bytes)));
  },
  forget: () => sessionStorage.removeItem(KEY),
};

/** Path of one item: names may hold slashes and anything else. */
export const item = (collection, name) => `/${collection}/${encodeURIComponent(name)}`;

/** Requests time out: a stuck server must not leave a page waiting for ever. */
const TIMEOUT_MS = 15000;
/** Of a change of up to 10,000 streams in one request. */
export const BULK_TIMEOUT_MS = 180_000;

export async function request(method, path, body, { accept = "application/json", timeoutMs = TIMEOUT_MS } = {}) {
  // X-Requested-With keeps the browser's own login box away: the server answers 403, not 401.
  const headers = { Accept: accept, "X-Requested-With": "fetch" };
  if (credentials.get()) headers.Authorization = `Basic ${credentials.get()}`;
  if (body !== undefined) {
    headers["Content-Type"] = typeof body === "string" ? "text/plain" : "application/json";
  }
  const { response, text } = await answerOf(BASE + path, {
    method,
    headers,
    body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
    cache: "no-store",
  }, timeoutMs);
  const isJson = (response.headers.get("content-type") || "").includes("json");
  const data = isJson && text ? JSON.parse(text) : text;
  if (response.ok) return data;
  const code = data?.errors?.[0]?.code || data?.error;
  if (LOGIN_CODES.has(code)) dispatchEvent(new Event(LOGIN_REFUSED));
  throw new ApiError(response.status, errorText(response, data), code, fieldErrors(data));
}

/** The whole answer; what a browser says of a lost connection is nothing to show to people. */
async function answerOf(url, options, timeoutMs) {
  try {
    const response = await fetch(url, { ...options, signal: AbortSignal.timeout(timeoutMs) });
    return { response, text: await response.text() };
  } catch (error) {
    const late = error.name === "TimeoutError";
    throw new ApiError(0, late ? t("The server does not answer within {seconds} s.", { seconds: timeoutMs / 1000 }) : t("The server does not answer."));
  }
}

/** Every error that the server tells, a line each: a configuration file may have many. */
function errorText(response, data) {
  const titles = (data?.errors || []).map((error) => error.title || error.code);
  return titles.join("\n") || data?.detail || data?.error || `${response.status} ${response.statusText}`;
}

/** What is wrong with which value, by its JSON pointer. */
const fieldErrors = (data) =>
  new Map((data?.errors || []).filter((error) => error.source?.pointer).map((error) => [error.source.pointer, inWords(error.title)]));

/** "must …" is what the server's models say of any value. */
const inWords = (title) => (title || "").replace(/^must /, "It must ").replace(/^Field required$/, "This is needed.");

/** Whether an item exists; asked by a filter, because a 404 would be an error in the console. */
export async function exists(collection, key, name) {
  const query = new URLSearchParams({ [key]: name, select: key, limit: 1 });
  return (await get(`/${collection}?${query}`))[collection].length > 0;
}

export const get = (path) => request("GET", path);
export const put = (path, body, options) => request("PUT", path, body, options);
export const post = (path, body) => request("POST", path, body);
export const remove = (path) => request("DELETE", path);

/**
 * Sends a file as the body of a PUT: {done, abort}. `done` ends with the answer or an ApiError;
 * `onShare` is told how much is sent, from 0 to 1. No time-out: it takes as long as bytes go.
 */
export function upload(path, file, onShare) {
  const sending = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    sending.upload.onprogress = ({ loaded, total }) => onShare(total ? loaded / total : 0);
    sending.onabort = () => reject(new ApiError(0, t("The upload was cancelled.")));
    sending.onerror = () => reject(new ApiError(0, t("The server does not answer.")));
    sending.onload = () => {
      if (sending.status < 300) return resolve(JSON.parse(sending.responseText || "{}"));
      let data = null;
      try {
        data = JSON.parse(sending.responseText);
      } catch {
        // a proxy answers in its own words
      }
      reject(new ApiError(sending.status, errorText(sending, data), data?.errors?.[0]?.code));
    };
  });
  sending.open("PUT", BASE + path);
  sending.setRequestHeader("X-Requested-With", "fetch");
  if (credentials.get()) sending.setRequestHeader("Authorization", `Basic ${credentials.get()}`);
  sending.send(file);
  return { done, abort: () => sending.abort() };
}
