"""The invariants, by subject: each recomputes from the trace alone what should have happened."""
