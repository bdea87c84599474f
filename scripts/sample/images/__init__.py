"""The images of the sample catalogue: products drawn from shape, colour and pattern."""
