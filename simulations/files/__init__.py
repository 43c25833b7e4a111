"""What a scenario file is made of: its fields, how they are checked, and how they are written."""
