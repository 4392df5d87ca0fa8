"""Anthropic: Claude as the language model."""
