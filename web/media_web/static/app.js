// The application: login, sidebar, and the page that the address names.

import { html, render, useEffect, useState } from "./vendor/htm-preact.js";
import { ApiError, LOGIN_REFUSED, credentials, get } from "./api.js";
import { link, useRoute } from "./hooks.js";
import { WORDS_CHANGED, loadWords, t } from "./i18n.js";
import { Preferences, applyTheme } from "./preferences.js";
import { Failure } from "./widgets.js";
import { Login } from "./pages/login.js";

const RETRY_MS = 2000;

const FAVICON = new URL("favicon.svg", import.meta.url).href;

/** Each page is fetched when it is first shown: who logs in waits for none of them. */
const PAGES = {
  media: () => import("./pages/wall/wall.js").then(({ Wall }) => Wall),
  streams: () => import("./pages/stream/page.js").then(({ StreamPage }) => StreamPage),
  streamers: () => import("./pages/streamers/list.js").then(({ Streamers }) => Streamers),
  streamer: () => import("./pages/streamers/page.js").then(({ StreamerPage }) => StreamerPage),
  sessions: () => import("./pages/sessions.js").then(({ Sessions }) => Sessions),
  files: () => import("./pages/files.js").then(({ Files }) => Files),
  server: () => import("./pages/server.js").then(({ Server }) => Server),
  config: () => import("./pages/config.js").then(({ Config }) => Config),
  access: () => import("./pages/access.js").then(({ Access }) => Access),
  import: () => import("./pages/import.js").then(({ Import }) => Import),
};

const entries = ({ product, role }) =>
  product === "central"
    ? { media: "Media", streamers: "Streamers", sessions: "Sessions", ...(role === "admin" ? { access: "Access" } : {}) }
    : { media: "Media", sessions: "Sessions", files: "Files", server: "Server", ...(role === "admin" ? { config: "Config" } : {}) };

/** The page that a route means; what is not there, or not for this server or reader, is the list of streams. */
function pageOf({ parts: [first, name] }, ui) {
  if (first === "streams" && name) return "streams";
  if (first === "import" && ui.product === "central" && !ui.readsOnly) return "import";
  const offered = Object.hasOwn(entries(ui), first);
  if (first === "streamers" && name && offered) return "streamer";
  return offered ? first : "media";
}

/** The entry of the menu that a page belongs to. */
const ENTRY = { streams: "media", streamer: "streamers", import: "media" };

const loaded = new Map();

/** A page, once its module is there. */
function Page({ page, ui, route }) {
  const [state, setState] = useState({});
  useEffect(() => {
    let stopped = false;
    let timer;
    const load = () =>
      PAGES[page]().then(
        (Body) => {
          loaded.set(page, Body);
          if (!stopped) setState({});
        },
        () => {
          if (stopped) return;
          setState({ error: new Error(t("The server does not answer.")) });
          timer = setTimeout(load, RETRY_MS);
        },
      );
    if (!loaded.has(page)) load();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [page]);
  const Body = loaded.get(page);
  const name = route.parts[1];
  if (!Body) return html`<${Failure} error=${state.error} />`;
  return html`<${Body} key=${name} name=${name} ui=${ui} route=${route} />`;
}

function Sidebar({ ui, page, onLogout }) {
  return html`<nav class="sidebar" aria-label=${t("Main")}>
    <strong><img src=${FAVICON} alt="" width="20" height="20" />${ui.title}</strong>
    ${Object.entries(entries(ui)).map(
      ([name, title]) => html`<a key=${name} href=${link(name)} aria-current=${page === name ? "page" : undefined}>${t(title)}</a>`,
    )}
    ${ui.documentation && html`<a class="manual" href="/docs/" target="_blank" rel="noopener">${t("Documentation")}</a>`}
    <${Preferences} />
    ${credentials.get() && html`<button type="button" class="plain" onClick=${onLogout}>${t("Log out")}</button>`}
  </nav>`;
}

/** The server's own settings of the UI; asked until it answers. */
function useUiSettings() {
  const [state, setState] = useState({ ui: null, error: null });
  useEffect(() => {
    let timer;
    const ask = () =>
      get("/ui_settings")
        .then((settings) => setState({ ui: { title: "Media", product: "streamer", ...settings }, error: null }))
        .catch((error) => {
          setState({ ui: null, error });
          timer = setTimeout(ask, RETRY_MS);
        });
    ask();
    return () => clearTimeout(timer);
  }, []);
  return state;
}

function App() {
  const [, render] = useState(0);
  useEffect(() => {
    const update = () => render((count) => count + 1);
    addEventListener(WORDS_CHANGED, update);
    return () => removeEventListener(WORDS_CHANGED, update);
  }, []);
  const { ui, error } = useUiSettings();
  if (!ui) return html`<main><${Failure} error=${error} /></main>`;
  return html`<${Entrance} ui=${ui} />`;
}

/** Shows the login form until the server takes the credentials, or wants none. */
function Entrance({ ui }) {
  const [entered, setEntered] = useState(!ui.login_required || Boolean(credentials.get()));
  const leave = () => {
    credentials.forget();
    setEntered(false);
  };
  useEffect(() => {
    addEventListener(LOGIN_REFUSED, leave);
    return () => removeEventListener(LOGIN_REFUSED, leave);
  }, []);
  const enter = async (login, password) => {
    credentials.set(login, password);
    try {
      await get("/caller");
      setEntered(true);
    } catch (failure) {
      const wrong = failure instanceof ApiError && [401, 403].includes(failure.status);
      credentials.forget();
      throw wrong ? new Error(t("Wrong login or password.")) : failure;
    }
  };
  if (!entered) return html`<${Login} ui=${ui} onEnter=${enter} />`;
  return html`<${Known} ui=${ui} onLogout=${leave} />`;
}

/** Asks who the reader is: what he may not do is not offered. */
function Known({ ui, onLogout }) {
  const [{ role, error }, setState] = useState({});
  useEffect(() => {
    let timer;
    const ask = () =>
      get("/caller").then(setState, (failure) => {
        setState({ error: failure });
        timer = setTimeout(ask, RETRY_MS);
      });
    ask();
    return () => clearTimeout(timer);
  }, []);
  if (!role) return html`<main><${Failure} error=${error} /></main>`;
  return html`<${Shell} ui=${{ ...ui, role, readsOnly: role === "viewer" }} onLogout=${onLogout} />`;
}

/** The other pages, before somebody goes there: a server that is away then keeps nobody from them. */
const loadAll = () => Promise.allSettled(Object.values(PAGES).map((load) => load()));

function Shell({ ui, onLogout }) {
  const route = useRoute();
  useEffect(() => {
    const timer = setTimeout(loadAll, RETRY_MS);
    return () => clearTimeout(timer);
  }, []);
  const page = pageOf(route, ui);
  const place = route.parts[1] || t(entries(ui)[page] || "");
  useEffect(() => {
    document.title = place ? `${place} – ${ui.title}` : ui.title;
  }, [place, ui.title]);
  return html`<${Sidebar} ui=${ui} page=${ENTRY[page] || page} onLogout=${onLogout} />
    <main><${Page} page=${page} ui=${ui} route=${route} /></main>`;
}

applyTheme();
await loadWords();
render(html`<${App} />`, document.getElementById("app"));
