"""The models of the ranker: a neural fusion in its training form and its served form, RRF, losses and the model card."""
