"""Collaborative filtering: what shoppers with similar histories, or products with similar shoppers, say about a product."""
