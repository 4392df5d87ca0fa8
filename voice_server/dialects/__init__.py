"""One wire each: pure codecs between frames and the core's inputs and outputs."""
