"""The ONNX form of encoders: export, quantization, and query encoders that need no torch."""
