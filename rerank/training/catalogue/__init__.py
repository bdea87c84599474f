"""The ranker that a catalogue alone teaches: graded queries of its attributes, the weights, and how it ranks a log."""
