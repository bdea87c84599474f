"""The exports of shop systems: how each is recognized by its columns, and how its rows become products."""
