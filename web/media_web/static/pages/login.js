// The login form: the server's own administrator login.

import { html, useState } from "../vendor/htm-preact.js";
import { t } from "../i18n.js";
import { Failure, Field } from "../widgets.js";

export function Login({ ui, onEnter }) {
  const [error, setError] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    try {
      await onEnter(form.get("login"), form.get("password"));
    } catch (failure) {
      setError(failure);
    }
  };
  return html`<main class="login">
    <form onSubmit=${submit}>
      <h1>${ui.title}</h1>
      <${Field} label=${t("Login")}><input name="login" autocomplete="username" required autofocus /><//>
      <${Field} label=${t("Password")}><input name="password" type="password" autocomplete="current-password" required /><//>
      <${Failure} error=${error} />
      <button>${t("Sign in")}</button>
    </form>
  </main>`;
}
