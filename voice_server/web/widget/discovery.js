/** What the server tells about itself over HTTP: its address, voices, languages; and how warm it is. */

const BASE = new URL("../", import.meta.url);

/** The server's HTTP address, where the element was loaded from. */
export const CONFIG_ADDRESS = new URL("api/websocket/config", BASE);
const HEALTH_ADDRESS = new URL("api/health", BASE);

/** Whether the modules came from the machine that a WebSocket address names. */
export function isOurs(address) {
  try {
    return new URL(address).hostname === BASE.hostname;
  } catch {
    return false; // no address at all: the one who connects says so
  }
}

/** The discovery document; rejects when there is none. */
export function discover() {
  return fetchJson(CONFIG_ADDRESS);
}

/** `{status, ready, stages}`; null when the server does not answer. A server that is not ready may answer 503. */
export async function health() {
  try {
    return await fetchJson(HEALTH_ADDRESS, [503]);
  } catch {
    return null; // away: the connection says that already
  }
}

async function fetchJson(address, also = []) {
  const answer = await fetch(address, {
    cache: "no-store",
    credentials: "omit",
    signal: AbortSignal.timeout(8000),
  });
  if (!answer.ok && !also.includes(answer.status)) throw new Error(`${address} answered ${answer.status}`);
  return answer.json();
}
