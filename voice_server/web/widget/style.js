/** The one style sheet, constructed: a page that forbids inline styles need not make an exception for us. */

const CSS = `
:host {
  --accent: var(--voice-chat-accent, light-dark(#2447d6, #98abff));
  --on-accent: var(--voice-chat-on-accent, light-dark(#ffffff, #10131f));
  --radius: var(--voice-chat-radius, 12px);
  --ink: light-dark(#16181d, #e9eaee);
  --quiet: light-dark(#5b606b, #9ea4af);
  --paper: light-dark(#fcfcfb, #121317);
  --tint: light-dark(#f1f1ee, #1d1f26);
  --line: light-dark(#e0e0dc, #30333c);
  --green: light-dark(#1a7f46, #4cc38a);
  --amber: light-dark(#b26a00, #f0b429);
  --red: light-dark(#c0322b, #ff7b72);
  display: block;
  block-size: 40rem;
  max-block-size: 100dvh;
  color: var(--ink);
  background: var(--paper);
  font: 400 16px/1.5 var(--voice-chat-font, system-ui, sans-serif);
  text-align: start;
}
:host([hidden]), [hidden] { display: none !important; }
:host([theme="light"]) { color-scheme: light; }
:host([theme="dark"]) { color-scheme: dark; }
:host([theme="auto"]) { color-scheme: light dark; }

* { box-sizing: border-box; margin: 0; font: inherit; color: inherit; }
:focus { outline: none; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.unseen { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.launcher, .close { display: none; }

.panel { display: flex; flex-direction: column; block-size: 100%; max-inline-size: 44rem; margin-inline: auto; padding-inline: 20px; }

.header { position: relative; display: flex; align-items: center; gap: 12px; min-block-size: 60px; flex: none; }
.title, ::slotted([slot="title"]) { min-inline-size: 0; overflow: hidden; font-weight: 600; white-space: nowrap; text-overflow: ellipsis; }
.link { display: inline-flex; align-items: center; gap: 8px; color: var(--quiet); font-size: 14px; margin-inline-end: auto; white-space: nowrap; }
.dot { inline-size: 8px; block-size: 8px; border-radius: 50%; background: var(--quiet); }
[data-link="good"] .dot { background: var(--green); }
[data-link="slow"] .dot { background: var(--amber); }
[data-link="bad"] .dot { background: var(--red); }

.plain { border: 0; background: none; padding: 8px 12px; margin: 0; border-radius: var(--radius); color: var(--quiet); font-size: 14px; cursor: pointer; }
.plain:hover, .plain[aria-expanded="true"] { background: var(--tint); color: var(--ink); }
.strong { color: var(--accent); font-weight: 600; }
.strong:hover { color: var(--accent); }
.settings { margin-inline-end: -12px; }

.menu { position: absolute; z-index: 2; inset-block-start: calc(100% - 4px); inset-inline-end: 0; inline-size: min(20rem, 100%); padding: 16px; background: var(--paper); border: 1px solid var(--line); border-radius: var(--radius); }
.choices { display: grid; gap: 12px; }
.choice { display: grid; gap: 4px; font-size: 14px; }
.choice { position: relative; }
.choice span { color: var(--quiet); }
.choice::after { content: ""; position: absolute; inset-block-end: 16px; inset-inline-end: 15px; inline-size: 7px; block-size: 7px; border: solid var(--quiet); border-width: 0 1.5px 1.5px 0; rotate: 45deg; pointer-events: none; }
select { appearance: none; inline-size: 100%; padding: 8px 36px 8px 12px; background: var(--tint); border: 1px solid transparent; border-radius: calc(var(--radius) * .66); text-overflow: ellipsis; }
select:hover { border-color: var(--line); }
option, optgroup { background: Canvas; color: CanvasText; }
::slotted([slot="menu"]) { display: block; padding-block: 8px; font-size: 14px; color: var(--accent); }
.choices:not(:empty) + slot { display: block; margin-block-start: 16px; padding-block-start: 8px; border-block-start: 1px solid var(--line); }

.stage { flex: none; display: flex; flex-direction: column; align-items: center; text-align: center; padding-block: 4px 20px; border-block-end: 1px solid var(--line); }
[data-empty] .stage { flex: 1; min-block-size: 0; justify-content: center; padding-block-end: 60px; border: 0; }
.ring { position: relative; display: grid; place-items: center; inline-size: 13rem; block-size: 13rem; flex: none; }
/* ring.js reads its two colours from here */
canvas { position: absolute; inset: 0; inline-size: 100%; block-size: 100%; pointer-events: none; color: var(--accent); outline-color: var(--line); }
.control { display: grid; place-items: center; inline-size: 9rem; block-size: 9rem; padding: 0; border: 0; border-radius: 50%; background: var(--accent); color: var(--on-accent); cursor: pointer; touch-action: none; user-select: none; -webkit-user-select: none; -webkit-touch-callout: none; transition: background-color 160ms, color 160ms, transform 120ms; }
.control:focus-visible { outline-offset: 4px; }
.control:active, .control[data-held] { transform: scale(.97); }
.control svg { inline-size: 2.5rem; block-size: 2.5rem; fill: currentColor; }
.line { fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linecap: round; }
.control g { display: none; }
.panel:not([data-state="thinking"], [data-state="speaking"]) .icon-talk, [data-state="thinking"] .icon-think, [data-state="speaking"] .icon-stop { display: block; }
.panel:is([data-state="offline"], [data-state="connecting"], [data-state="resuming"], [data-state="away"], [data-state="locked"], [data-state="ended"]) .control { background: var(--tint); color: var(--quiet); }
.icon-think circle { animation: think 1.2s infinite; }
.icon-think circle:nth-child(2) { animation-delay: 160ms; }
.icon-think circle:nth-child(3) { animation-delay: 320ms; }
@keyframes think { 0%, 60%, 100% { opacity: .35; } 25% { opacity: 1; } }

.label { min-block-size: 1.5em; font-weight: 600; }
.keys { display: none; font-size: 14px; color: var(--quiet); }
@media (hover: hover) { .panel[data-mode="push"]:is([data-state="ready"], [data-state="warming"]) .keys { display: block; } }
.stage:has(.notice:not(:empty)) .keys { display: none; }
.warming { display: grid; justify-items: center; gap: 8px; margin-block-start: 8px; color: var(--quiet); font-size: 14px; }
progress { appearance: none; inline-size: 12rem; block-size: 3px; border: 0; border-radius: 2px; overflow: hidden; background: var(--line); }
progress::-webkit-progress-bar { background: var(--line); }
progress::-webkit-progress-value { background: var(--accent); transition: inline-size 160ms; }
progress::-moz-progress-bar { background: var(--accent); }
.notice { max-inline-size: 30rem; font-size: 14px; text-wrap: balance; }
.notice:not(:empty) { margin-block-start: 8px; }
.notice[data-kind="error"], .trouble { color: var(--red); }
.notice[data-kind="hint"] { color: var(--quiet); }

.key { display: flex; align-items: center; gap: 8px; max-inline-size: 100%; margin-block-start: 12px; font-size: 14px; }
.key label { color: var(--quiet); }
.key input { inline-size: 14rem; min-inline-size: 0; padding: 8px 12px; background: var(--tint); border: 1px solid var(--line); border-radius: calc(var(--radius) * .66); }

.switch { display: inline-flex; align-items: center; gap: 10px; margin-block-start: 12px; color: var(--quiet); font-size: 14px; cursor: pointer; }
[data-state="locked"] .switch { display: none; }
.switch input { position: absolute; opacity: 0; pointer-events: none; }
.track { inline-size: 30px; block-size: 18px; border-radius: 9px; border: 1.5px solid var(--quiet); transition: background-color 120ms, border-color 120ms; }
.track::after { content: ""; display: block; inline-size: 9px; block-size: 9px; margin: 3px; border-radius: 50%; background: var(--quiet); transition: translate 120ms; }
.switch input:checked + .track { background: var(--accent); border-color: var(--accent); }
.switch input:checked + .track::after { background: var(--on-accent); translate: 12px 0; }
.switch input:focus-visible + .track { outline: 2px solid var(--accent); outline-offset: 2px; }

.log { flex: 1; min-block-size: 0; overflow-y: auto; overscroll-behavior: contain; margin-inline: -20px; padding: 20px 20px 4px; scrollbar-width: thin; scrollbar-color: var(--line) transparent; }
[data-empty] .log { display: none; }
.log:focus-visible { outline-offset: -2px; }
.who { display: block; font-size: 13px; font-weight: 600; color: var(--quiet); }
.said, .reply { overflow-wrap: anywhere; white-space: pre-line; text-wrap: pretty; }
.mine { max-inline-size: 85%; inline-size: fit-content; margin-inline-start: auto; margin-block-end: 20px; text-align: end; }
.mine .said { text-align: start; padding: 8px 14px; background: var(--tint); border-radius: var(--radius); }
.draft .said { background: none; color: var(--quiet); }
.theirs { max-inline-size: 92%; margin-block-end: 24px; }
.reply s { color: var(--quiet); text-decoration: line-through; text-decoration-thickness: 1px; text-decoration-color: color-mix(in srgb, currentColor 70%, transparent); }
.trouble, .divider { font-size: 14px; margin-block: 4px 16px; }
.divider { color: var(--quiet); text-align: center; text-wrap: balance; }

.timing { margin-block-start: 6px; font-size: 13px; color: var(--quiet); }
.timing > button { padding: 2px 8px; margin-inline-start: -8px; font-size: 13px; font-variant-numeric: tabular-nums; }
.timing > button::after { content: ""; display: inline-block; inline-size: 5px; block-size: 5px; margin-inline-start: 7px; border: solid currentColor; border-width: 0 1.5px 1.5px 0; rotate: 45deg; translate: 0 -3px; }
.timing > button[aria-expanded="true"]::after { rotate: 225deg; translate: 0 0; }
.bar { display: flex; gap: 2px; block-size: 10px; margin-block: 8px; max-inline-size: 28rem; }
.bar span { flex: 1 0 3px; min-inline-size: 3px; background: var(--accent); cursor: default; }
.bar span:first-child { border-start-start-radius: 3px; border-end-start-radius: 3px; }
.bar span:last-child { border-start-end-radius: 3px; border-end-end-radius: 3px; }
[data-stage="wait"] { opacity: .3; }
[data-stage="transcript"] { opacity: .5; }
[data-stage="token"] { opacity: .75; }
[data-stage="clause"] { opacity: .88; }
.bar [data-stage="rest"], .legend [data-stage="rest"] { background: var(--line); opacity: 1; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; padding: 0; list-style: none; font-variant-numeric: tabular-nums; }
.legend li { display: inline-flex; align-items: center; gap: 6px; border-radius: 4px; }
.legend li[data-lit] { color: var(--ink); }
.legend i { inline-size: 8px; block-size: 8px; border-radius: 2px; background: var(--accent); }
.provider { min-block-size: 1.5em; }

.composer { flex: none; display: flex; align-items: flex-end; gap: 4px; margin-block: 12px 16px; padding: 4px 4px 4px 14px; border: 1px solid var(--line); border-radius: var(--radius); }
.composer:focus-within { border-color: var(--accent); }
.composer textarea { flex: 1; min-inline-size: 0; field-sizing: content; max-block-size: 8rem; resize: none; border: 0; padding: 8px 0; background: none; }
.composer textarea:focus-visible { outline: none; }
.composer textarea::placeholder { color: var(--quiet); opacity: 1; }
.composer .plain { padding-block: 9.5px; border-radius: calc(var(--radius) * .66); }

:host([variant="bubble"]) { position: fixed; z-index: 2147483000; inset-block-end: 20px; inset-inline-end: 20px; block-size: auto; max-block-size: none; background: none; }
:host([variant="bubble"]) .launcher { display: grid; place-items: center; inline-size: 56px; block-size: 56px; margin-inline-start: auto; padding: 0; border: 0; border-radius: 50%; background: var(--accent); color: var(--on-accent); cursor: pointer; }
.launcher svg { inline-size: 24px; block-size: 24px; fill: currentColor; }
:host([variant="bubble"]) .close { display: block; margin-inline-end: -12px; }
:host([variant="bubble"]) .settings { margin-inline-end: -16px; }
:host([variant="bubble"]) .header .plain { padding-inline: 10px; }
:host([variant="bubble"]) .panel { position: absolute; inset-block-end: 68px; inset-inline-end: 0; inline-size: min(24rem, calc(100vw - 40px)); block-size: min(40rem, calc(100dvh - 108px)); background: var(--paper); border: 1px solid var(--line); border-radius: calc(var(--radius) * 1.33); }
:host([variant="bubble"]:not([open])) .panel { display: none; }
:host([variant="bubble"]) .ring { inline-size: 11rem; block-size: 11rem; }
:host([variant="bubble"]) .control { inline-size: 7.5rem; block-size: 7.5rem; }
:host([variant="bubble"]) .panel:not([data-empty]) .ring { inline-size: 8.5rem; block-size: 8.5rem; }
:host([variant="bubble"]) .panel:not([data-empty]) .control { inline-size: 6rem; block-size: 6rem; }

@media (max-height: 44rem) {
  .panel:not([data-empty]) .ring { inline-size: 9rem; block-size: 9rem; }
  .panel:not([data-empty]) .control { inline-size: 6rem; block-size: 6rem; }
}
@media (prefers-reduced-motion: reduce) {
  *, *::before, *::after { animation: none !important; transition: none !important; }
}
@media (forced-colors: active) {
  .control, .launcher, .composer, .mine .said { border: 1px solid ButtonText; }
  .bar span { forced-color-adjust: none; }
}
`;

let sheet = null;

/** The sheet, shared by every element of the page. */
export function styleSheet() {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
  }
  return sheet;
}
