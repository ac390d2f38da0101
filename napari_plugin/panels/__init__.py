"""The dock's panels; each talks to the edit session and to no other panel."""
