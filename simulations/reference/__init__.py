"""What should have happened, recomputed from a trace by a model that shares no code with the actors."""
