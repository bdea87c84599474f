"""Words and pictures to vectors; encoders are artifacts in the store, named after their content."""
