"""What this machine has, what the program would use of it, and what is missing: one module for each section."""
