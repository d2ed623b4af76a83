"""Property-test any gradient: tolerances that are derived, failures that explain."""
