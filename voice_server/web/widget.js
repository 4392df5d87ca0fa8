/**
 * `<voice-chat>`: talk with a voice server from any page.
 *
 *     <script type="module" src="https://voice.example/widget.js"></script>
 *     <voice-chat></voice-chat>
 *
 * The parts are in `./widget/`, one idea a file; `./widget/worklet.js` is loaded into the audio thread.
 */

import { VoiceChat } from "./widget/element.js";

// Two script tags on one page must not fight over the name.
if (!customElements.get("voice-chat")) customElements.define("voice-chat", VoiceChat);

export { VoiceChat };
