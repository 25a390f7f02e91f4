"""What trades when: the seeded market, recorded days, sessions, bars."""
