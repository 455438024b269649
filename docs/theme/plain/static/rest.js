// The page on REST: lists the operations of both APIs and tries them on the server that serves the page.
"use strict";

const place = document.getElementById("operations");
const served = location.protocol.startsWith("http");

function make(name, options = {}, ...inner) {
  const element = Object.assign(document.createElement(name), options);
  element.append(...inner);
  return element;
}

function field(label, input) {
  return make("label", {}, `${label} `, input);
}

function login() {
  const user = make("input", { autocomplete: "off" });
  const password = make("input", { type: "password", autocomplete: "off" });
  return { user, password, box: make("form", { onsubmit: () => false }, field("Login", user), field("Password", password)) };
}

function operation(api, one, credentials) {
  const names = [...one.path.matchAll(/\{(\w+)\}/g)].map((found) => found[1]);
  const inPath = Object.fromEntries(names.map((name) => [name, make("input")]));
  const query = make("input", { placeholder: one.list ? "limit=10&select=name" : "" });
  const body = make("textarea", { spellcheck: false, value: "{}" });
  const answer = make("pre", { hidden: true });
  const button = make("button", { type: "button", textContent: "Try", disabled: !served });

  const hints = Object.entries(one.query || {}).map(([name, text]) => `${name}: ${text}`);
  const box = make("details", { className: "operation" },
    make("summary", {}, make("b", { textContent: one.method }), ` ${api.base}${one.path} – ${one.summary}`),
    make("p", { textContent: [one.body && `Body: ${one.body}.`, one.answer && `Answer: ${one.answer}.`, ...hints]
      .filter(Boolean).join(" ") }),
    ...names.map((name) => field(name, inPath[name])),
    field("Query", query), ...(one.body ? [field("Body", body)] : []), button, answer);

  button.onclick = async () => {
    const path = one.path.replace(/\{(\w+)\}/g, (_, name) =>
      inPath[name].value.split("/").map(encodeURIComponent).join("/"));
    const headers = {};
    if (credentials.user.value) {
      const bytes = new TextEncoder().encode(`${credentials.user.value}:${credentials.password.value}`);
      headers.Authorization = `Basic ${btoa(String.fromCharCode(...bytes))}`;
    }
    if (one.body) headers["Content-Type"] = "application/json";
    answer.hidden = false;
    try {
      const response = await fetch(`${api.base}${path}${query.value ? `?${query.value}` : ""}`, {
        method: one.method, headers, body: one.body ? body.value : undefined, credentials: "omit",
        signal: AbortSignal.timeout(30000),
      });
      const text = await response.text();
      answer.textContent = `${response.status} ${response.statusText}\n${pretty(text).slice(0, 100000)}`;
    } catch (error) {
      answer.textContent = String(error);
    }
  };
  return box;
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

if (place && window.MEDIA_APIS) {
  const credentials = login();
  place.replaceChildren(...(served ? [credentials.box] : []), ...window.MEDIA_APIS.flatMap((api) => [
    make("h3", { textContent: api.title }),
    ...api.operations.map((one) => operation(api, one, credentials)),
  ]));
}
