"""Many workers: shots dreamed at once by Ray, on this machine or a cluster."""
