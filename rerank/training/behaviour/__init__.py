"""Shopper behaviour as tables: Ibis expressions on any engine that give rates and affinities as of a moment."""
