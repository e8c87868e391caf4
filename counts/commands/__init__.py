"""Verbs of the counting room."""
