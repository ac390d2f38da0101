"""Prompts, guidance and the edit session behind interactive correction (no Qt, no files)."""
