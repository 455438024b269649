// The application: login, sidebar, and the page that the address names.

import { html, render, useEffect, useState } from "./vendor/htm-preact.js";
import { ApiError, credentials, get } from "./api.js";
import { link, useRoute } from "./hooks.js";
import { Failure } from "./widgets.js";
import { Login } from "./pages/login.js";
import { Media } from "./pages/media.js";
import { StreamPage } from "./pages/stream.js";
import { StreamerPage, Streamers } from "./pages/streamers.js";
import { Config } from "./pages/config.js";
import { Sessions } from "./pages/sessions.js";

const PAGES = {
  media: ({ ui }) => html`<${Media} ui=${ui} />`,
  streams: ({ ui, route }) => html`<${StreamPage} key=${route.parts[1]} name=${route.parts[1]} route=${route} ui=${ui} />`,
  streamers: ({ route }) =>
    route.parts[1]
      ? html`<${StreamerPage} key=${route.parts[1]} hostname=${route.parts[1]} />`
      : html`<${Streamers} />`,
  sessions: () => html`<${Sessions} />`,
  config: () => html`<${Config} />`,
};

const entries = (ui) =>
  ui.product === "central"
    ? [["media", "Media"], ["streamers", "Streamers"]]
    : [["media", "Media"], ["sessions", "Sessions"], ["config", "Config"]];

function Sidebar({ ui, page, onLogout }) {
  return html`<nav class="sidebar" aria-label="Main">
    <strong>${ui.title}</strong>
    ${entries(ui).map(
      ([name, title]) => html`<a href=${link(name)} aria-current=${page === name ? "page" : undefined}>${title}</a>`,
    )}
    ${credentials.get() && html`<button type="button" class="plain" onClick=${onLogout}>Log out</button>`}
  </nav>`;
}

function App() {
  const route = useRoute();
  const [ui, setUi] = useState(null);
  const [entered, setEntered] = useState(false);
  const [error, setError] = useState(null);

  const enter = async () => {
    try {
      await get("/streams?limit=1&select=name");
      setEntered(true);
    } catch (failure) {
      if (failure instanceof ApiError && [401, 403].includes(failure.status)) {
        const wrong = Boolean(credentials.get());
        credentials.forget();
        setEntered(false);
        if (wrong) throw new Error("Wrong login or password.");
        return;
      }
      throw failure;
    }
  };

  useEffect(() => {
    get("/ui_settings")
      .then((settings) => {
        setUi({ title: "Media", product: "streamer", ...settings });
        document.title = settings.title || "Media";
        return enter();
      })
      .catch(setError);
  }, []);

  if (!ui) return html`<main><${Failure} error=${error} /></main>`;
  if (!entered) return html`<${Login} ui=${ui} onEnter=${enter} />`;
  const page = PAGES[route.parts[0]] ? route.parts[0] : "media";
  const logout = () => {
    credentials.forget();
    setEntered(false);
  };
  return html`<${Sidebar} ui=${ui} page=${page === "streams" ? "media" : page} onLogout=${logout} />
    <main>${PAGES[page]({ ui, route })}</main>`;
}

render(html`<${App} />`, document.getElementById("app"));
