"""Problems: one record, splits, readers of the three sets (local, Hub, archive), a lab's own set."""
