"""The grid of a run: adapters and outputs, made by a pool of single-threaded workers."""
