"""Generators of GENERATED problems in the form of the three sets."""
