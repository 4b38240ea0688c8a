"""The reader and its parts: order (arithmetic), catalog (the index in memory), storage, decoding, batch delivery."""
