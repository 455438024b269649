// The server's REST API: one place that knows paths, credentials and the shape of errors.

const BASE = "/streamer/api/v3";
const KEY = "media.credentials";

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

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

export async function request(method, path, body, { accept = "application/json" } = {}) {
  // X-Requested-With keeps the browser's own login box away: the server answers 403, not 401.
  const headers = { Accept: accept, "X-Requested-With": "fetch" };
  if (credentials.get()) headers.Authorization = `Basic ${credentials.get()}`;
  if (body !== undefined) {
    headers["Content-Type"] = typeof body === "string" ? "text/plain" : "application/json";
  }
  const response = await fetch(BASE + path, {
    method,
    headers,
    body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
    cache: "no-store",
  });
  const text = await response.text();
  const isJson = (response.headers.get("content-type") || "").includes("json");
  const data = isJson && text ? JSON.parse(text) : text;
  if (!response.ok) throw new ApiError(response.status, errorText(response, data));
  return data;
}

function errorText(response, data) {
  const first = data?.errors?.[0];
  const text = first?.title || first?.code || data?.detail || data?.error;
  return text || `${response.status} ${response.statusText}`;
}

export const get = (path) => request("GET", path);
export const put = (path, body) => request("PUT", path, body);
export const post = (path, body) => request("POST", path, body);
export const remove = (path) => request("DELETE", path);
