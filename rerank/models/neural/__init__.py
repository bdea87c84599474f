"""The neural fusions: training forms in torch, served forms in numpy, losses, and the tables that name them."""
