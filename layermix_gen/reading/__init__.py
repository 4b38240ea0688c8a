"""The reader's parts: order (arithmetic), catalog (the index in memory), storage, decoding and delivery of batches."""
