"""The kinds of models that rank: neural fusions, LambdaMART and RRF, their explanations, and the model card."""
