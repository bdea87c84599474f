"""How good an order is: metrics, intervals, reports (no torch)."""
