"""What animates the core for one caller."""
