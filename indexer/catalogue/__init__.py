"""From a catalogue file or an existing index to products."""
