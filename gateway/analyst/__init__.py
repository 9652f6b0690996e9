"""What an analyst asks of their own files: are they right, do their tests pass; nothing here sends or stores."""
