"""What the REST API is about, without HTTP."""
