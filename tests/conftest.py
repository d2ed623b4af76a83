"""Profiles of hypothesis: `dev` by default, HYPOTHESIS_PROFILE=ci or nightly for more."""

import os

from hypothesis import HealthCheck, settings

# Deadlines measure the machine, and shared machines stall: no verdict may hang on them.
common = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=25, derandomize=True, **common)
settings.register_profile("ci", max_examples=100, derandomize=True, **common)
settings.register_profile("nightly", max_examples=5000, **common)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))
