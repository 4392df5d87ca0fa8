"""Google Cloud: Speech-to-Text and Text-to-Speech over gRPC."""
