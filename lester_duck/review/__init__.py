"""What a reviewer asks of a store: why a row did not arrive, and checks of fairness, overlap, leakage and shift."""
