"""Trained generators, and how each was made (``python -m uhn.pretrained NAME``)."""
