"""Encoders: text and picture to vectors, training on your own catalogue, export for serving."""
