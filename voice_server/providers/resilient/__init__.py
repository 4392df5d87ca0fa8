"""Providers behind each other: deadlines, retries, breakers and fallbacks, as providers themselves."""
