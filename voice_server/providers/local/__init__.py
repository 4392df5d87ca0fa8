"""Speech, language and voice on this machine: no key, no GPU, no cloud."""
