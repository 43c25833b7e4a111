"""The rehearsal: the real runtime in a virtual world, deterministic from its seed."""
