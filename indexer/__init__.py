"""Catalogue to vectors to documents."""
