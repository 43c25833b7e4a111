"""Who keeps the actors on stage: configuration, start-up, restarts, shutdown."""
