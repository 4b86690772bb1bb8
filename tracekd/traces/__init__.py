"""Wrong traces and what they reveal, free-form traces and their stand-ins."""
