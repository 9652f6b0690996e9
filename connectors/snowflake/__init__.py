"""Snowflake as both sides of the house need it: who we are there, what its refusals mean, how its names are written."""
