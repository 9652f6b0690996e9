"""What a source and a sink of one kind of broker share: where it is, who we are there, and what its errors come to."""
