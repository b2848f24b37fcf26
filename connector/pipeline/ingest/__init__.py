"""The first stage: reads the feeds of the sources into the journal."""
