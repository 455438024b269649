// The application: login, sidebar, and the page that the address names.

import { html, render, useEffect, useState } from "./vendor/htm-preact.js";
import { ApiError, LOGIN_REFUSED, credentials, get } from "./api.js";
import { link, useRoute } from "./hooks.js";
import { Failure } from "./widgets.js";
import { Login } from "./pages/login.js";
import { Wall } from "./pages/wall/wall.js";
import { StreamPage } from "./pages/stream/page.js";
import { StreamerPage, Streamers } from "./pages/streamers.js";
import { Config } from "./pages/config.js";
import { Sessions } from "./pages/sessions.js";

const RETRY_MS = 2000;

const PAGES = {
  media: ({ ui, route }) => html`<${Wall} ui=${ui} route=${route} />`,
  streams: ({ ui, route }) => html`<${StreamPage} key=${route.parts[1]} name=${route.parts[1]} route=${route} ui=${ui} />`,
  streamers: ({ route }) =>
    route.parts[1]
      ? html`<${StreamerPage} key=${route.parts[1]} hostname=${route.parts[1]} route=${route} />`
      : html`<${Streamers} />`,
  sessions: () => html`<${Sessions} />`,
  config: () => html`<${Config} />`,
};

const entries = (ui) =>
  ui.product === "central"
    ? { media: "Media", streamers: "Streamers", sessions: "Sessions" }
    : { media: "Media", sessions: "Sessions", config: "Config" };

/** The page that a route means; what is not there is the list of streams. */
const pageOf = (route) => {
  const page = Object.hasOwn(PAGES, route.parts[0]) ? route.parts[0] : "media";
  return page === "streams" && !route.parts[1] ? "media" : page;
};

function Sidebar({ ui, page, onLogout }) {
  return html`<nav class="sidebar" aria-label="Main">
    <strong><img src="/ui/static/favicon.svg" alt="" width="20" height="20" />${ui.title}</strong>
    ${Object.entries(entries(ui)).map(
      ([name, title]) => html`<a key=${name} href=${link(name)} aria-current=${page === name ? "page" : undefined}>${title}</a>`,
    )}
    ${credentials.get() && html`<button type="button" class="plain" onClick=${onLogout}>Log out</button>`}
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
      await get("/streams?limit=1&select=name");
      setEntered(true);
    } catch (failure) {
      const wrong = failure instanceof ApiError && [401, 403].includes(failure.status);
      credentials.forget();
      throw wrong ? new Error("Wrong login or password.") : failure;
    }
  };
  if (!entered) return html`<${Login} ui=${ui} onEnter=${enter} />`;
  return html`<${Shell} ui=${ui} onLogout=${leave} />`;
}

function Shell({ ui, onLogout }) {
  const route = useRoute();
  const page = pageOf(route);
  const place = route.parts[1] || entries(ui)[page];
  useEffect(() => {
    document.title = place ? `${place} – ${ui.title}` : ui.title;
  }, [place, ui.title]);
  return html`<${Sidebar} ui=${ui} page=${page === "streams" ? "media" : page} onLogout=${onLogout} />
    <main>${PAGES[page]({ ui, route })}</main>`;
}

render(html`<${App} />`, document.getElementById("app"));
