/** The key a person has typed in, kept for this tab: a key is not left behind in the browser. */

const typed = new Map(); // a sandboxed frame has no storage: there they hold until the page is left

const nameOf = (address) => `voice-chat key ${new URL(address).origin}`;

/** The key for this server, and for no other. */
export function storedKey(address) {
  const key = typed.get(nameOf(address));
  if (key) return key;
  try {
    return sessionStorage.getItem(nameOf(address));
  } catch {
    return null;
  }
}

/** Keeps the key, or forgets it when it is null. */
export function storeKey(address, key) {
  typed.set(nameOf(address), key);
  try {
    if (key === null) sessionStorage.removeItem(nameOf(address));
    else sessionStorage.setItem(nameOf(address), key);
  } catch {
    // Then it holds until the page is left.
  }
}
