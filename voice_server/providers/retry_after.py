"""How long a vendor wants to be left alone, as it says in the headers of a refusal."""

import math
from collections.abc import Mapping


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """From `retry-after-ms`, or else `Retry-After`; None where neither holds a time that can be waited."""
    for header, divisor in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            seconds = float(headers.get(header) or "") / divisor
        except ValueError:
            continue  # absent, or a date
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return None
