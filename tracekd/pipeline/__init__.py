"""Running the notebooks: papermill, what is up to date, artefacts, publishing."""
