"""Trained rankers compared on held-out slates: metrics, estimates from random orders, and the verdict."""
