"""The codec: one table of cases run in both directions, junk, round trips, and transcripts of the real peer."""
