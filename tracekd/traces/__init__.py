"""Templates of traces, wrong traces and what they reveal, and free-form traces."""
