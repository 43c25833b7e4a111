"""What a trace looks like: its data over time, and how they are drawn."""
