"""Channels hand a cleared message to the other side and say, of three failures, which one it was."""
