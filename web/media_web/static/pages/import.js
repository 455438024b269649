// Taking over a configuration file from elsewhere: what is in it, what becomes of each line, and then
// its streams and rules, those that were chosen. Nothing is saved before.

import { html, useState } from "../vendor/htm-preact.js";
import { get, item, post, put } from "../api.js";
import { link } from "../hooks.js";
import { t } from "../i18n.js";
import { Failure } from "../widgets.js";

const MOST = 10_000; // of one change: the bound of the API
const SHOWN = 300; // rows that a page still shows well

const named = (list) => new Set(list.map(({ name }) => name));

/** What the file declares, beside what is there. */
async function look(text) {
  const told = await post("/config/explain", { text });
  const [streams, rules] = await Promise.all([
    get(`/streams?${new URLSearchParams({ select: "name", limit: MOST })}`),
    get(`/auth_backends?${new URLSearchParams({ select: "name", limit: MOST })}`),
  ]);
  const broken = new Set(told.broken);
  const here = { streams: named(streams.streams), rules: named(rules.auth_backends) };
  const sound = told.streams.filter(({ name }) => !broken.has(name));
  const tried = sound.length ? await put("/streams/batch?dry_run=true", sound) : { streams: [] };
  const warnings = new Map(tried.streams.map((stream) => [stream.name, stream.warnings || []]));
  const fresh = sound.map(({ name }) => name).filter((name) => !here.streams.has(name));
  return { ...told, broken, here, warnings, chosen: new Set(fresh) };
}

async function takeOver({ streams, auth_backends: rules, here }, chosen) {
  // Rules first: a stream that names some which are not there refuses everybody.
  for (const rule of rules.filter(({ name }) => !here.rules.has(name))) await put(item("auth_backends", rule.name), rule);
  const wanted = streams.filter(({ name }) => chosen.has(name));
  if (wanted.length) await put("/streams/batch", wanted);
  return wanted.length;
}

export function Import() {
  const [text, setText] = useState("");
  const [plan, setPlan] = useState(null);
  const [done, setDone] = useState(null);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const attempt = async (action) => {
    setBusy(true);
    setDone(null);
    try {
      await action();
      setError(null);
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };
  const change = (next) => {
    setText(next);
    setPlan(null);
    setDone(null);
  };
  const open = async (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) await attempt(async () => change(await file.text()));
  };
  const submit = (event) => {
    event.preventDefault();
    attempt(async () => setPlan(await look(text)));
  };
  const apply = () =>
    attempt(async () => {
      const count = await takeOver(plan, plan.chosen);
      change("");
      setDone(count);
    });
  return html`<header class="bar"><h1>${t("Import a configuration file")}</h1></header>
    <p class="hint">${t("A flussonic.conf from another server. First you see what becomes of each line; nothing is saved before you take it over.")}</p>
    <form onSubmit=${submit}>
      <textarea class="code" rows="12" aria-label=${t("Configuration file")} spellcheck=${false} value=${text} placeholder=${"stream one {\n  input rtsp://camera/1;\n}"}
        onInput=${(event) => change(event.target.value)}></textarea>
      <div class="bar after">
        <label class="button plain">${t("Choose a file …")}<input class="unseen" type="file" accept=".conf,.txt,text/plain" onChange=${open} /></label>
        <button disabled=${busy || !text.trim()}>${t("Look at it")}</button>
      </div>
    </form>
    <${Failure} error=${error} />
    ${done !== null && html`<p class="banner" role="status">${t("Taken over: {count} streams.", { count: done })} <a href=${link("media")}>${t("See all streams")}</a></p>`}
    ${plan && html`<${Plan} plan=${plan} busy=${busy} onChoose=${(chosen) => setPlan({ ...plan, chosen })} onApply=${apply} />`}`;
}

function Plan({ plan, busy, onChoose, onApply }) {
  const { streams, auth_backends: rules, directives, left, counts, chosen, broken } = plan;
  const choosable = streams.filter(({ name }) => !broken.has(name));
  const toggle = (name) => {
    const next = new Set(chosen);
    if (!next.delete(name)) next.add(name);
    onChoose(next);
  };
  const all = choosable.every(({ name }) => chosen.has(name));
  const newRules = rules.filter(({ name }) => !plan.here.rules.has(name));
  return html`<section aria-label=${t("What is in the file")}>
    <p class="totals">${Object.entries(counts).map(([verdict, count]) => html`<span class="chip" key=${verdict}><${Verdict} verdict=${verdict} /> ${count}</span>`)}</p>
    <h2>${t("Streams")}</h2>
    ${!streams.length && html`<p class="hint">${t("The file declares no stream.")}</p>`}
    ${streams.length > 0 && html`<table class="list">
      <thead><tr><th class="pick"><input type="checkbox" aria-label=${t("Choose all streams of the file")} checked=${all} disabled=${!choosable.length}
        onChange=${() => onChoose(all ? new Set() : named(choosable))} /></th><th>${t("Stream")}</th><th class="wide">${t("Source")}</th><th>${t("What happens")}</th></tr></thead>
      <tbody>${streams.slice(0, SHOWN).map((stream) => html`<${Row} key=${stream.name} stream=${stream} plan=${plan} onToggle=${toggle} />`)}</tbody>
    </table>`}
    ${streams.length > SHOWN && html`<p class="hint">${t("The first {shown} of {all}.", { shown: SHOWN, all: streams.length })}</p>`}
    ${rules.length > 0 && html`<h2>${t("Rules for viewers")}</h2>
      <ul>${rules.map(({ name }) => html`<li key=${name}><b>${name}</b>: ${plan.here.rules.has(name) ? t("stays as it is here") : t("is made")}</li>`)}</ul>`}
    ${directives.length > 0 && html`<h2>${t("What is not as it was")}</h2><${Lines} lines=${directives} judged />`}
    ${left.length > 0 && html`<h2>${t("What stays with the other server")}</h2>
      <p class="hint">${t("These are settings of a server and not of streams. Streamers have their own.")}</p><${Lines} lines=${left} />`}
    <div class="bar savebar">
      <button type="button" disabled=${busy || !(chosen.size || newRules.length)} onClick=${onApply}>${t("Take over the chosen streams ({count})", { count: chosen.size })}</button>
    </div>
  </section>`;
}

function Row({ stream, plan, onToggle }) {
  const { name, inputs = [] } = stream;
  const isBroken = plan.broken.has(name);
  const known = plan.here.streams.has(name);
  const warnings = plan.warnings.get(name) || [];
  const what = isBroken ? t("is left out: it has an error, see below") : known ? t("changes the stream that is here") : t("is made");
  return html`<tr>
    <td class="pick"><input type="checkbox" aria-label=${t("Choose {name}", { name })} disabled=${isBroken} checked=${plan.chosen.has(name)} onChange=${() => onToggle(name)} /></td>
    <td class="name">${name}</td>
    <td class="wide url">${inputs.map(({ url }) => url).join(", ") || "–"}</td>
    <td class=${isBroken ? "failure" : ""}>${what}${warnings.map((text) => html`<small key=${text}>${text}</small>`)}</td>
  </tr>`;
}

const DOTS = { works: "ok", differs: "waiting", partly: "waiting", "no effect": "", error: "error" };

function Verdict({ verdict }) {
  return html`<span class="state"><span class="dot ${DOTS[verdict]}" aria-hidden="true"></span>${t(verdict)}</span>`;
}

function Lines({ lines, judged }) {
  return html`<table class="list lines">
    <thead><tr><th class="number">${t("Line")}</th><th>${t("Directive")}</th>${judged && html`<th>${t("What becomes of it")}</th>`}</tr></thead>
    <tbody>${lines.slice(0, SHOWN).map(({ line, directive, verdict, reasons }, index) => html`<tr key=${index}>
      <td class="number">${line || "–"}</td><td class="url"><code>${directive}</code>${!judged && reasons.map((text) => html`<small key=${text}>${text}</small>`)}</td>
      ${judged && html`<td><${Verdict} verdict=${verdict} />${reasons.map((text) => html`<small key=${text}>${text}</small>`)}</td>`}
    </tr>`)}</tbody>
  </table>`;
}
