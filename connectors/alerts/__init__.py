"""Ways to tell staff; what is told holds no person, so it needs no clearance."""
