"""Query understanding: what a shopper typed, corrected and explained before it is searched."""
