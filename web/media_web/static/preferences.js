// What the reader chose for this browser: theme and language.

import { html, useState } from "./vendor/htm-preact.js";
import { LANGUAGES, chooseLanguage, language, t } from "./i18n.js";

const KEY = "media.theme";
const THEMES = { "": "As the system", light: "Light", dark: "Dark" };

/** Of the whole page; style.css reads it. */
export function applyTheme(theme = localStorage.getItem(KEY) || "") {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

export function Preferences() {
  const [theme, setTheme] = useState(localStorage.getItem(KEY) || "");
  const choose = (event) => {
    localStorage.setItem(KEY, event.target.value);
    setTheme(event.target.value);
    applyTheme(event.target.value);
  };
  return html`<details class="preferences">
    <summary aria-label=${t("Theme and language")}>⚙ <span>${t("Theme and language")}</span></summary>
    <label>${t("Theme")} <select aria-label=${t("Theme")} onChange=${choose}>
      ${Object.entries(THEMES).map(([key, title]) => html`<option key=${key} value=${key} selected=${key === theme}>${t(title)}</option>`)}
    </select></label>
    <label>${t("Language")} <select aria-label=${t("Language")} onChange=${(event) => chooseLanguage(event.target.value)}>
      ${Object.entries(LANGUAGES).map(([key, title]) => html`<option key=${key} value=${key} selected=${key === language()}>${title}</option>`)}
    </select></label>
  </details>`;
}
