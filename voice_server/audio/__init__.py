"""PCM in, PCM out: formats, codecs, clips, voice activity. No I/O but the decoding of bytes."""
