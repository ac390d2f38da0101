"""Puts this folder on the path of every test, so that they share the modules in it."""
