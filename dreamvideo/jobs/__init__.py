"""Jobs: renders from file to file, kept in a run folder so that a crash loses little; batches; many workers."""
