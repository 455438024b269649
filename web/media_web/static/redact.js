// Addresses as they may stand on a wall: what servers hide in their logs (media_rest/redact.py) is hidden here.

const ADDRESS = /^\s*([A-Za-z][A-Za-z0-9+.-]*):\/\/(.*)$/s;
const HOST_PORT = /^(?:(?:[^:[\]]*|\[[0-9A-Fa-f:.%]+\]):\d{0,5}|\[[0-9A-Fa-f:.%]+\])$/;
const PARAMETER = /([?&;,]|^)([A-Za-z0-9_.-]+)=([^&;#\s]+)/g;
const SECRET = new Set(
  (
    "access_key aes_key allow_tokens api_key apikey authorization cluster_key cookie database_url deny_tokens edit_auth " +
    "enc_token end_user_private_key endpoint_auth jpeg_snapshot_sign_key key keyseed license_key management_key pass " +
    "passphrase password playback_token proxy-authorization pwd secret secret_key session_id sig sign signature " +
    "streampoint_key token userkey view_auth x-api-key"
  ).split(" "),
);

/** Up to the last @ where there is a login: people write passwords with @, / and # in them. */
function withoutLogin(rest) {
  const authority = rest.split(/[/?#]/, 1)[0];
  const broken = authority.includes(":") && !HOST_PORT.test(authority);
  return authority.includes("@") || (broken && rest.includes("@")) ? `***@${rest.slice(rest.lastIndexOf("@") + 1)}` : rest;
}

const hidden = (whole, separator, key) => (SECRET.has(key.toLowerCase()) ? `${separator}${key}=***` : whole);

/** An address without login, password and secret parameters. */
export const masked = (url) =>
  (url || "").replace(ADDRESS, (whole, scheme, rest) => {
    if (scheme.toLowerCase() === "securetoken") return `${scheme}://***`;
    const [path, ...query] = withoutLogin(rest).split("?");
    return [`${scheme}://${path}`, ...(query.length ? [query.join("?").replace(PARAMETER, hidden)] : [])].join("?");
  });
