"""What holds for every test."""

import os

from hypothesis import HealthCheck, settings

from tests.postgres import postgres

__all__ = ["postgres"]

# pytest loads readline, which tells every process started after it how wide the terminal is: its workers too.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)

# The machine may be busy with other things: no property is judged by the time it takes.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
