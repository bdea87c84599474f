"""How text writes signs, numbers and units: what reading a catalogue and understanding a query share."""
