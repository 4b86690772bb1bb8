"""Speed and memory beside the peers, measured side by side in one run."""
