"""What holds for every test."""

from hypothesis import HealthCheck, settings

from tests.postgres import postgres

__all__ = ["postgres"]

# The machine may be busy with other things: no property is judged by the time it takes.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
