"""Films, frame sequences and pictures: reading, writing, probing, and the sound and metadata that go with them."""
