"""Running a pipeline: sources read, views built, functions called, matrices filled."""
