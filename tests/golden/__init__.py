"""What the whole of e5v computes on small things, to compare before and after a change."""
