/** The element's inside, without words that change. */

const MARKUP = `
<button class="launcher" part="launcher" type="button" aria-expanded="false" aria-label="Open voice chat">
  <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 15a3.5 3.5 0 0 0 3.5-3.5v-5a3.5 3.5 0 0 0-7 0v5A3.5 3.5 0 0 0 12 15Z"/><path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" class="line"/></svg>
</button>
<section class="panel" part="panel" aria-label="Voice chat">
  <header class="header" part="header">
    <slot name="title"><span class="title">Voice chat</span></slot>
    <span class="link" part="status"><span class="dot" aria-hidden="true"></span><span class="link-words"></span></span>
    <button class="plain settings" type="button" aria-expanded="false" aria-controls="menu">Settings</button>
    <button class="plain close" type="button" aria-label="Close voice chat">Close</button>
    <div class="menu" id="menu" part="menu" hidden>
      <div class="choices"></div>
      <slot name="menu"></slot>
    </div>
  </header>
  <div class="stage" part="stage">
    <div class="ring">
      <canvas aria-hidden="true"></canvas>
      <button class="control" part="control" type="button" aria-describedby="label">
        <svg viewBox="0 0 24 24" aria-hidden="true">
          <g class="icon-talk"><path d="M12 15a3.5 3.5 0 0 0 3.5-3.5v-5a3.5 3.5 0 0 0-7 0v5A3.5 3.5 0 0 0 12 15Z"/><path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" class="line"/></g>
          <g class="icon-think"><circle cx="6" cy="12" r="1.6"/><circle cx="12" cy="12" r="1.6"/><circle cx="18" cy="12" r="1.6"/></g>
          <g class="icon-stop"><rect x="7" y="7" width="10" height="10" rx="1.5"/></g>
        </svg>
      </button>
    </div>
    <p class="label" part="label" id="label" role="status"></p>
    <p class="keys">or hold the space bar</p>
    <div class="warming" part="warming" hidden><progress aria-labelledby="warming-words"></progress><span id="warming-words" role="status"></span></div>
    <p class="notice" part="notice" role="status"></p>
    <form class="key" part="key" hidden>
      <label for="key">Key</label>
      <input id="key" type="password" autocomplete="off" spellcheck="false" required>
      <button class="plain strong" type="submit">Connect</button>
    </form>
    <label class="switch" part="switch"><input type="checkbox" role="switch"><span class="track" aria-hidden="true"></span>Open microphone</label>
  </div>
  <div class="log" part="conversation" role="log" aria-label="Conversation" aria-live="off" tabindex="0"></div>
  <form class="composer" part="composer">
    <label class="unseen" for="text">Message</label>
    <textarea id="text" part="input" rows="1" placeholder="Type a message" enterkeyhint="send"></textarea>
    <button class="plain strong" type="submit">Send</button>
  </form>
  <div class="unseen announcer" aria-live="polite"></div>
</section>
`;

const PARTS = {
  launcher: ".launcher",
  panel: ".panel",
  link: ".link",
  linkWords: ".link-words",
  settings: ".settings",
  close: ".close",
  menu: ".menu",
  choices: ".choices",
  canvas: "canvas",
  control: ".control",
  label: ".label",
  warming: ".warming",
  progress: "progress",
  warmingWords: "#warming-words",
  notice: ".notice",
  keyForm: ".key",
  keyInput: "#key",
  openSwitch: ".switch input",
  log: ".log",
  composer: ".composer",
  text: "#text",
  announcer: ".announcer",
};

/** Fills a shadow root; gives its parts by name. */
export function build(root) {
  const template = document.createElement("template");
  template.innerHTML = MARKUP;
  root.append(template.content);
  return Object.fromEntries(
    Object.entries(PARTS).map(([name, selector]) => [name, root.querySelector(selector)]),
  );
}

/** A new element with properties set; `class` names and text, no markup. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
