"""The gateway for months in minutes: a million messages, a clock that jumps from day to day, and a verdict."""
