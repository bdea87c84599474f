"""Training an image tower on a catalogue."""
