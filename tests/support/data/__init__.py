"""Programs of tests of data."""
