"""What holds for every test: property tests are judged by what they find, not by the clock."""

from hypothesis import HealthCheck, settings

# A busy machine is no fault of the code: `timeout` of pytest still ends what hangs.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")
