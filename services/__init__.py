"""One folder per deployable. None of them may import another."""
