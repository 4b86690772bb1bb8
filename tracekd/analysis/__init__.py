"""Tables, claims and sentences from verdicts: this project's and the published ones."""
