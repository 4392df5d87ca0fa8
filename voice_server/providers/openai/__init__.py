"""OpenAI, and every server that speaks as it does: language models, speech to text, text to speech."""
