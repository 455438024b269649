// The films of the locations: their folders, what lies there, and files on their way there.

import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { item, remove, upload } from "../api.js";
import { link, setQuery, usePolled } from "../hooks.js";
import { t } from "../i18n.js";
import { Failure, bytes } from "../widgets.js";

const LIMIT = 500; // rows that a page still shows well
const LOOK_MS = 5000;

/** A path as an address has it: slashes stay. */
const pathOf = (path) => path.split("/").map(encodeURIComponent).join("/");

const isLocal = (storage) => /^(\/|file:\/\/)/.test(storage.url);

/** The places that a reader can look into: directories of the locations. */
function placesOf(vods) {
  return vods.flatMap((vod) =>
    (vod.storages || []).flatMap((storage, index) => (isLocal(storage) ? [{ vod: vod.prefix, index, url: storage.url }] : [])),
  );
}

export function Files({ ui, route }) {
  const { data, error } = usePolled("/vods?limit=1000", LOOK_MS * 2);
  if (!data) return html`<h1>${t("Files")}</h1><${Failure} error=${error} />`;
  const places = placesOf(data.vods);
  const wanted = route.query.get("vod");
  const storage = Number(route.query.get("storage") || 0);
  const place = places.find((one) => one.vod === wanted && one.index === storage) || places[0];
  const choose = (event) => {
    const chosen = places[Number(event.target.value)];
    setQuery(route, { vod: chosen.vod, storage: chosen.index || null, folder: null });
  };
  return html`<header class="bar"><h1>${t("Files")}</h1>
      ${places.length > 1 &&
      html`<select aria-label=${t("Location")} value=${places.indexOf(place)} onChange=${choose}>
        ${places.map((one, number) => html`<option key=${number} value=${number}>${one.vod}: ${one.url}</option>`)}
      </select>`}
    </header>
    <${Failure} error=${error} />
    ${place
      ? html`<${Folder} key=${`${place.vod} ${place.index} ${route.query.get("folder") || ""}`} ui=${ui} route=${route} place=${place} />`
      : html`<p class="empty">${t("No location of files has a directory on this server: declare one with “vod NAME { storage /PATH; }”.")}</p>`}`;
}

/** One folder of a storage. */
function Folder({ ui, route, place }) {
  const folder = route.query.get("folder") || "";
  const files = `${item("vods", place.vod)}/storages/${place.index}/files`;
  const query = new URLSearchParams({ limit: LIMIT, ...(folder ? { folder } : {}) });
  const { data, error, reload } = usePolled(`${files}?${query}`, LOOK_MS);
  const [failure, setFailure] = useState(null);
  const drop = async (file) => {
    if (!confirm(t("Delete {name}?", { name: file.subpath }))) return;
    try {
      await remove(`${files}/${pathOf(file.subpath)}`);
      setFailure(null);
    } catch (problem) {
      setFailure(problem);
    }
    reload();
  };
  const rows = [...(data?.files || [])].sort((a, b) => b.is_directory - a.is_directory);
  return html`<${Crumbs} place=${place} folder=${folder} />
    ${!ui.readsOnly && html`<${Uploads} files=${files} folder=${folder} onDone=${reload} />`}
    <${Failure} error=${error || failure} />
    ${data && !rows.length && html`<p class="empty">${t("Nothing lies here.")}</p>`}
    ${rows.length > 0 &&
    html`<table class="list ${error ? "stale" : ""}">
      <thead><tr><th>${t("Name")}</th><th class="number">${t("Size")}</th><th><span class="unseen">${t("Actions")}</span></th></tr></thead>
      <tbody>
        ${rows.map((file) => html`<tr key=${file.subpath}>
          <td class="name">${file.is_directory ? html`<a href=${folderLink(place, file.subpath)}>${nameOf(file)}/</a>` : nameOf(file)}
            ${file.opened && html` <small>${t("is played now")}</small>`}</td>
          <td class="number">${file.is_directory ? "" : bytes(file.bytes)}</td>
          <td><div class="actions">
            ${(!file.is_directory || file.is_multibitrate_directory) &&
            html`<a href=${`/${pathOf(file.name)}/embed.html`} target="_blank" rel="noopener" aria-label=${t("Play {name}", { name: nameOf(file) })}>${t("Play")}</a> `}
            ${!ui.readsOnly &&
            html`<button type="button" class="small" aria-label=${t("Delete {name}", { name: nameOf(file) })} onClick=${() => drop(file)}>${t("Delete")}</button>`}
          </div></td>
        </tr>`)}
      </tbody>
    </table>`}
    ${data?.estimated_count > rows.length && html`<p>${t("{shown} of {all} are shown", { shown: rows.length, all: data.estimated_count })}</p>`}`;
}

const nameOf = (file) => file.subpath.split("/").pop();

function folderLink(place, folder) {
  const query = new URLSearchParams({ vod: place.vod, ...(place.index ? { storage: place.index } : {}), ...(folder ? { folder } : {}) });
  return `${link("files")}?${query}`;
}

/** The way to a folder; each part leads back. */
function Crumbs({ place, folder }) {
  const parts = folder ? folder.split("/") : [];
  return html`<p>
    <a href=${folderLink(place, "")}>${place.vod}</a>
    ${parts.map((part, number) => {
      const path = parts.slice(0, number + 1).join("/");
      return html`<span key=${path}> / <a href=${folderLink(place, path)}>${part}</a></span>`;
    })}
  </p>`;
}

/** Files one after another on their way to the server; leaving the folder ends the one under way. */
function Uploads({ files, folder, onDone }) {
  const [state, setState] = useState(null); // {name, share}
  const [failure, setFailure] = useState(null);
  const running = useRef(null);
  const input = useRef();
  useEffect(() => () => running.current?.abort(), []);
  const send = async (chosen) => {
    setFailure(null);
    try {
      for (const file of chosen) {
        const path = folder ? `${folder}/${file.name}` : file.name;
        setState({ name: file.name, share: 0 });
        running.current = upload(`${files}/${pathOf(path)}`, file, (share) => setState({ name: file.name, share }));
        await running.current.done;
        onDone();
      }
    } catch (problem) {
      setFailure(problem);
    }
    running.current = null;
    setState(null);
  };
  const take = (event) => {
    const chosen = [...event.target.files];
    event.target.value = "";
    send(chosen);
  };
  return html`<p class="bar">
      <input ref=${input} type="file" multiple hidden aria-label=${t("Files to upload")} onChange=${take} />
      <button type="button" disabled=${Boolean(state)} onClick=${() => input.current.click()}>${t("Upload files")}</button>
      ${state &&
      html`<progress max="1" value=${state.share} aria-label=${t("Upload of {name}", { name: state.name })}></progress>
        <span>${state.name}</span>
        <button type="button" class="small" onClick=${() => running.current?.abort()}>${t("Cancel")}</button>`}
    </p>
    <${Failure} error=${failure} />`;
}
