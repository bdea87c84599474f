"""The exports of shop systems: how each is recognised by its columns, and how its rows become products."""
