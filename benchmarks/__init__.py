"""What a generator step costs, against the straightforward form and against the machine."""
