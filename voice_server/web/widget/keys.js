/** The key a person has typed in, kept for this tab: a key is not left behind in the browser. */

const nameOf = (address) => `voice-chat key ${new URL(address).origin}`;

export function storedKey(address) {
  try {
    return sessionStorage.getItem(nameOf(address));
  } catch {
    return null; // a sandboxed frame has no storage
  }
}

/** Keeps the key, or forgets it when it is null. */
export function storeKey(address, key) {
  try {
    if (key === null) sessionStorage.removeItem(nameOf(address));
    else sessionStorage.setItem(nameOf(address), key);
  } catch {
    // Then it holds until the page is left.
  }
}
