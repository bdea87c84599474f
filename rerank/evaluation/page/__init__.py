"""The evaluation report as one HTML file: its content, plots, images of products, and template."""
