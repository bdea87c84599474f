"""The click log as training reads it: names of actions, product ids, shoppers, and what could not be used."""
